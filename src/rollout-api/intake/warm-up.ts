/**
 * V8 compiles what runs often, and until then a group is read ten times slower: the first dozen of a burst
 * would keep all others waiting. Reading something of the same shape beforehand takes 0.1 s.
 */
import type { SubmissionReader } from "./submission-reader.ts";

const READINGS = 60;
const SEQUENCES = 4;
const TOKENS = 512;

/** Reads a made-up group again and again. */
export function warmUp(reader: SubmissionReader): void {
  const body = Buffer.from(JSON.stringify(madeUpGroup()));
  for (let reading = 0; reading < READINGS; reading++) {
    reader.read({ chunks: [body], isZipped: false, isJson: true, isList: false, key: undefined });
  }
}

function madeUpGroup() {
  const rows = <T>(value: (position: number) => T) =>
    Array.from({ length: SEQUENCES }, () => Array.from({ length: TOKENS }, (_, position) => value(position)));
  const isPrompt = (position: number) => position < TOKENS / 4;
  const tokens = rows((position) => (position * 7919) % 150_000);
  return {
    tokens,
    masks: tokens.map((row) => row.map((token, position) => (isPrompt(position) ? -100 : token))),
    scores: tokens.map((_, index) => index / SEQUENCES),
    inference_logprobs: rows((position) => (isPrompt(position) ? 1 : -1 / (position + 1))),
    env_id: 0,
  };
}

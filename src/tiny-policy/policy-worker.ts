/** One thread of a PolicyEngine: takes messages between steps, and steps while there is something to sample. */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import type { PolicyReply, PolicyRequest, PolicyWorkerData } from "./policy-messages.ts";
import { SequenceBatcher } from "./sequence-batcher.ts";

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const { weights, slots, tokenizer: source }: PolicyWorkerData = workerData;
const { tokenizer } = await loadTokenizer(source, { signal: new AbortController().signal });
const batcher = new SequenceBatcher(weights, {
  slots,
  eosId: tokenizer.eosId,
  decode: (ids) => tokenizer.decode(ids),
});
const reply = (message: PolicyReply) => port.postMessage(message);

let isScheduled = false;
let busyMs = 0;

port.on("message", (message: PolicyRequest) => {
  take(message);
  schedule();
});
reply({ kind: "ready", vocabularySize: tokenizer.vocabularySize });

function take(message: PolicyRequest): void {
  const done = (ticket: number) => () => reply({ kind: "done", ticket });
  switch (message.kind) {
    case "sample":
      batcher.add(message.job);
      break;
    case "cancel":
      batcher.cancel(message.job);
      break;
    case "weights":
      batcher.changeWeights(message.weights, message.version, done(message.ticket));
      break;
    case "pause":
      batcher.pause(done(message.ticket));
      break;
    case "resume":
      batcher.resume();
      break;
    default:
      message satisfies never;
  }
}

function schedule(): void {
  if (isScheduled || !batcher.hasWork) return;
  isScheduled = true;
  setImmediate(step);
}

function step(): void {
  isScheduled = false;
  const startedMs = performance.now();
  const jobs = batcher.step();
  busyMs += performance.now() - startedMs;
  if (jobs.length > 0) reply({ kind: "finished", jobs, statistics: { ...batcher.statistics(), busyMs } });
  schedule();
}

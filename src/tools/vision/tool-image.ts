/** Images that tools work with: from a file of the sandbox, a web address or a data URL. */
import { LachesisError } from "../../contracts/errors.ts";
import type { RolloutContext } from "../../contracts/rollout-context.ts";
import type { GuardedWeb } from "../web/guarded-web.ts";

export type ToolImage = { mimeType: string; bytes: Uint8Array };

export type ImageLimits = { web: GuardedWeb; maxBytes: number; timeoutMs: number };

/** `error` is written for the model. Rejects when the sandbox fails. */
export async function loadImage(
  source: string,
  { web, maxBytes, timeoutMs }: ImageLimits,
  context: RolloutContext,
): Promise<ToolImage | { error: string }> {
  const { signal } = context;
  let bytes: Uint8Array;
  if (/^https?:/i.test(source)) {
    const answer = await web.get(source, { maxBytes, timeoutMs, signal });
    if (!answer.ok) return { error: answer.error };
    if (answer.status >= 400) return { error: `${source} answered HTTP ${answer.status}.` };
    bytes = answer.body;
  } else if (/^data:/i.test(source)) {
    const encoded = /^data:[^,]*;base64,(.*)$/is.exec(source)?.[1];
    if (encoded === undefined) return { error: "Expected a data URL in base64: data:image/png;base64,…" };
    bytes = Buffer.from(encoded, "base64");
    if (bytes.length > maxBytes) return { error: `The image is larger than ${maxBytes} bytes.` };
  } else if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    return { error: `${source} can't be opened: give a file of the sandbox, or an http: or https: URL.` };
  } else {
    const file = await readSandboxFile(source, maxBytes, context);
    if ("error" in file) return file;
    bytes = file.bytes;
  }
  const mimeType = imageType(bytes);
  return mimeType === null
    ? { error: `${source.slice(0, 200)} is no image that can be looked at: png, jpeg, gif or webp.` }
    : { mimeType, bytes };
}

async function readSandboxFile(
  path: string,
  maxBytes: number,
  context: RolloutContext,
): Promise<{ bytes: Uint8Array } | { error: string }> {
  const sandbox = await context.sandbox();
  try {
    return { bytes: await sandbox.readFile(path, { signal: context.signal, maxBytes }) };
  } catch (thrown) {
    const mistakes = [
      "SANDBOX_FILE_NOT_FOUND",
      "SANDBOX_FILE_TOO_LARGE",
      "SANDBOX_FILE_FAILED",
      "SANDBOX_COMMAND_INVALID",
    ];
    if (thrown instanceof LachesisError && mistakes.includes(thrown.code)) return { error: thrown.message };
    throw thrown;
  }
}

/** By the first bytes, whatever the name or the server says. */
function imageType(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 12)).toString("latin1");
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(head)) return "image/gif";
  if (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") return "image/webp";
  return null;
}

/** One thread of EncodeThreads: encodes texts, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";
import type { EncodeWorkerData } from "./encode-threads.ts";
import { HubTokenizer } from "./hub-tokenizer.ts";

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const { definition, config }: EncodeWorkerData = workerData;
const tokenizer = new HubTokenizer("a thread's", JSON.parse(definition), config);
port.on("message", (text: string) => {
  const ids = Int32Array.from(tokenizer.encode(text));
  port.postMessage(ids, [ids.buffer]);
});

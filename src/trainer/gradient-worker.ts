/** One thread of GradientPool: a model of its own, and one shard after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../contracts/errors.ts";
import { Transformer } from "../tiny-policy/engine/transformer.ts";
import type { GradientOrder, GradientWorkerData } from "./gradient-pool.ts";
import { computeShard } from "./shard.ts";

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const { config }: GradientWorkerData = workerData;
let model: Transformer | undefined;
port.on("message", ({ weights, task }: GradientOrder) => {
  if (weights !== undefined) {
    if (model === undefined) model = new Transformer(config, weights);
    else model.setWeights(weights);
  }
  if (model === undefined) throw new LachesisError("INTERNAL", "a shard came before the weights");
  const result = computeShard(model, task);
  const owned = [result.logprobs.buffer, ...(result.gradient === null ? [] : [result.gradient.buffer])];
  port.postMessage(
    result,
    owned.filter((buffer) => buffer instanceof ArrayBuffer),
  );
});

/** One thread of the intake pool: reads submissions, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../../contracts/errors.ts";
import { bodyBuffers, type IntakeRequest, type IntakeSettings, ownBytes } from "./intake-messages.ts";
import { SubmissionReader } from "./submission-reader.ts";
import { warmUp } from "./warm-up.ts";

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const { isWarm, ...options }: IntakeSettings = workerData;
const reader = new SubmissionReader(options);
if (isWarm) warmUp(reader);
port.on("message", (request: IntakeRequest) => {
  const reading = reader.read({ ...request, chunks: request.chunks.map(ownBytes) });
  port.postMessage(reading, bodyBuffers(reading));
});

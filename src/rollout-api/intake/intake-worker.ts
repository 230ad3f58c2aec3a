/** One thread of the intake pool: reads submissions, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { LachesisError } from "../../contracts/errors.ts";
import { bodyBuffers, type IntakeRequest, ownBytes } from "./intake-messages.ts";
import { SubmissionReader } from "./submission-reader.ts";

const port = parentPort;
if (port === null) throw new LachesisError("INTERNAL", "this module is a thread's");
const reader = new SubmissionReader(workerData);
port.on("message", (request: IntakeRequest) => {
  const reading = reader.read({ ...request, chunks: request.chunks.map(ownBytes) });
  port.postMessage(reading, bodyBuffers(reading));
});

/**
 * The baseline: a plain node:http server that takes the same bytes as the rollout API and does nothing with
 * them, and answers GET /batch with a body as large as a batch. What it reaches is what this machine, its
 * loopback and the load generator allow. Run by ../rollout-api.ts; argument: bytes of a batch.
 */
import { createServer } from "node:http";

const batch = Buffer.alloc(Number(process.argv[2] ?? 0), 0x20);
const received = Buffer.from('{"status":"received"}');

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    Buffer.concat(chunks);
    const body = request.url === "/batch" ? batch : received;
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`ready: http://127.0.0.1:${address?.port}`);
});

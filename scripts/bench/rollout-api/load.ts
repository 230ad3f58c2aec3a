/** The load: scored groups as environments send them, and the calls that carry them. Loopback only. */
import { Agent, request } from "node:http";
import { gzipSync } from "node:zlib";

export type GroupShape = { sequences: number; tokens: number };

/** A fixed stream of numbers in 0..1, so that every run sends the same bytes. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

/** Different groups of one shape: a quarter of each sequence is prompt, the rest sampled. */
export function makeGroups(
  count: number,
  { sequences, tokens: length }: GroupShape,
  envId: number,
): Buffer[] {
  const random = seededRandom(12_345);
  return Array.from({ length: count }, () => {
    const rows = Array.from({ length: sequences }, () =>
      Array.from({ length }, () => Math.floor(random() * 150_000)),
    );
    const isPrompt = (position: number) => position < length / 4;
    const group = {
      tokens: rows,
      masks: rows.map((row) => row.map((token, position) => (isPrompt(position) ? -100 : token))),
      scores: rows.map(() => random()),
      inference_logprobs: rows.map((row) => row.map((_, at) => (isPrompt(at) ? 1 : -random() * 3))),
      env_id: envId,
    };
    return Buffer.from(JSON.stringify(group));
  });
}

export type Reply = { status: number; bytes: number; text: () => string };

/** Keeps connections open, as the Python clients do. */
export class Load implements Disposable {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = new URL(url);
  }

  call(
    method: "GET" | "POST",
    path: string,
    body: Buffer | undefined,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const { hostname, port } = this.#url;
    const length =
      body === undefined ? {} : { "content-type": "application/json", "content-length": body.length };
    return new Promise((resolve, reject) => {
      const sent = request(
        { hostname, port, method, path, agent: this.#agent, headers: { ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            chunks.push(chunk);
          });
          response.on("error", reject);
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              bytes,
              text: () => Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  async json(method: "GET" | "POST", path: string, value?: unknown): Promise<unknown> {
    const body = value === undefined ? undefined : Buffer.from(JSON.stringify(value));
    const reply = await this.call(method, path, body);
    if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${reply.text()}`);
    return JSON.parse(reply.text());
  }

  /** Opens a run and joins it as its environment 0. */
  async open(batchSize: number, shape: GroupShape): Promise<void> {
    await this.json("POST", "/register", {
      wandb_group: "bench",
      wandb_project: "bench",
      batch_size: batchSize,
      max_token_len: shape.tokens + 1,
      checkpoint_dir: "",
      save_checkpoint_interval: 0,
      starting_step: 0,
      num_steps: 1_000_000,
    });
    await this.json("GET", "/batch");
    await this.json("POST", "/register-env", {
      max_token_length: shape.tokens + 1,
      desired_name: "bench",
      weight: 1,
      group_size: shape.sequences,
    });
  }

  /** Sends this many bodies, a few at a time; groups per second. */
  async ingest(
    path: string,
    bodies: readonly Buffer[],
    count: number,
    options: IngestOptions,
  ): Promise<number> {
    const headers: Record<string, string> = options.gzip ? { "content-encoding": "gzip" } : {};
    let next = 0;
    const send = async () => {
      while (next < count) {
        const body = bodies[next++ % bodies.length];
        const reply = await this.call("POST", path, body, headers);
        if (reply.status !== 200) throw new Error(`POST ${path}: ${reply.status} ${reply.text()}`);
      }
    };
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: options.connections }, send));
    return count / ((performance.now() - startedMs) / 1000);
  }

  /** Takes batches out until none is left; batches per second. */
  async drain(atMost: number, headers: Readonly<Record<string, string>>): Promise<Drained> {
    const startedMs = performance.now();
    let bytes = 0;
    let batches = 0;
    while (batches < atMost) {
      const reply = await this.call("GET", "/batch", undefined, headers);
      if (reply.bytes < 200) break;
      bytes += reply.bytes;
      batches++;
    }
    return { batches, bytes, perSecond: batches / ((performance.now() - startedMs) / 1000) };
  }

  /** Median time of a call, milliseconds. */
  async latency(method: "GET" | "POST", path: string, value: unknown, rounds: number): Promise<number> {
    const body = Buffer.from(JSON.stringify(value));
    const samplesMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startedMs = performance.now();
      await this.call(method, path, body);
      samplesMs.push(performance.now() - startedMs);
    }
    return samplesMs.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

export type IngestOptions = { gzip: boolean; connections: number };
export type Drained = { batches: number; bytes: number; perSecond: number };

export function compressed(bodies: readonly Buffer[]): Buffer[] {
  return bodies.map((body) => gzipSync(body, { level: 6 }));
}

/** Batches of many kilobytes leave in parts; nobody can tell from what arrives. */
import { gunzipSync } from "node:zlib";
import { request } from "undici";
import { expect, test } from "vitest";
import type { RolloutApiOptions } from "../../src/rollout-api/app.ts";
import { startRolloutServer } from "../support/rollout-server.ts";

const registration = {
  wandb_group: "g",
  wandb_project: "p",
  batch_size: 3,
  max_token_len: 20_000,
  checkpoint_dir: "",
  save_checkpoint_interval: 0,
  starting_step: 0,
  num_steps: 10,
};

function group(label: number) {
  const row = Array.from({ length: 10_000 }, (_, index) => index + label);
  return { tokens: [row], masks: [row], scores: [label] };
}

/** The first batch of three groups, as a client on this machine gets it. */
async function takeBatch(options: Partial<RolloutApiOptions>, headers: Record<string, string> = {}) {
  await using server = await startRolloutServer(options);
  const post = async (path: string, value: unknown) => {
    const { statusCode, body } = await request(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(value),
    });
    await body.dump();
    expect(statusCode).toBe(200);
  };
  await post("/register", registration);
  await post("/scored_data_list", [group(1), group(2), group(3)]);
  const answer = await request(`${server.url}/batch`, { headers });
  return { headers: answer.headers, bytes: Buffer.from(await answer.body.arrayBuffer()) };
}

test.each<[string, Partial<RolloutApiOptions>, Record<string, string>]>([
  ["plain", {}, {}],
  ["compressed for whoever takes it", { gzip: "always" }, { "accept-encoding": "gzip" }],
  ["plain for a client on this machine, whatever it takes", {}, { "accept-encoding": "gzip" }],
])("a long batch, %s", async (_name, options, given) => {
  const { headers, bytes } = await takeBatch(options, given);
  const isZipped = headers["content-encoding"] === "gzip";
  expect(isZipped).toBe(options.gzip === "always");
  expect(headers["content-type"]).toBe("application/json");
  expect(headers.vary).toBe("Accept-Encoding");
  expect(Number(headers["content-length"])).toBe(bytes.length);
  const { batch } = JSON.parse((isZipped ? gunzipSync(bytes) : bytes).toString());
  expect(batch.map(({ scores }: { scores: number[] }) => scores)).toEqual([[1], [2], [3]]);
  expect(batch[2].tokens).toEqual(group(3).tokens);
});

test("a page's origin is told with a long batch as with a short one", async () => {
  const { headers } = await takeBatch({ compat: true }, { origin: "http://page.example" });
  expect(headers["access-control-allow-origin"]).toBe("*");
});

/** Tokens, roles, and pages of other origins. */
import { describe, expect, test } from "vitest";
import { AccessControl } from "../../src/rollout-api/access.ts";
import { startTestApp, type TestAppOptions, wireGroup, wireRegistration } from "../support/rollout-app.ts";

const tokens = [
  { role: "env", token: "env-token" },
  { role: "env", token: "second-env-token" },
  { role: "trainer", token: "trainer-token" },
  { role: "admin", token: "admin-token" },
] as const;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const basic = (user: string, token: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`,
});

const startGuarded = (options: TestAppOptions = {}) =>
  startTestApp({ access: new AccessControl(tokens), ...options });

const endpoints = {
  env: [
    "POST /register-env",
    "POST /disconnect-env",
    "GET /status-env",
    "POST /scored_data",
    "POST /scored_data_list",
  ],
  trainer: ["POST /register", "GET /batch", "POST /batch/ack", "POST /batch/nack"],
  reader: ["GET /", "GET /info", "GET /status", "GET /wandb_info", "GET /latest_example", "GET /runs"],
  admin: ["GET /reset_data", "POST /reset_data"],
} as const;

async function ask(app: ReturnType<typeof startTestApp>, endpoint: string, headers: Record<string, string>) {
  const [method = "", path = ""] = endpoint.split(" ");
  return method === "GET" ? app.get(path, headers) : app.post(path, {}, headers);
}

describe("with tokens", () => {
  test.each(
    Object.entries(endpoints).flatMap(([audience, paths]) => paths.map((path) => [path, audience] as const)),
  )("%s is for %s", async (endpoint, audience) => {
    await using app = startGuarded();
    for (const prefix of ["", "/runs/a"]) {
      if (endpoint === "GET /runs" && prefix !== "") continue;
      const path = endpoint.replace(" ", ` ${prefix}`);
      for (const role of ["env", "trainer", "admin"] as const) {
        const { status } = await ask(app, path, bearer(`${role}-token`));
        const may = role === "admin" || audience === "reader" || audience === role;
        expect({ path, role, refused: status === 403 }).toEqual({ path, role, refused: !may });
      }
      expect((await ask(app, path, {})).status).toBe(401);
    }
  });

  test("a refusal says how to come in, in FastAPI's words and shape", async () => {
    await using app = startGuarded();
    const nobody = await app.get("/batch");
    expect(nobody).toMatchObject({ status: 401, json: { detail: "Not authenticated" } });
    expect(nobody.headers["www-authenticate"]).toMatch(/^Bearer /);
    expect(await app.get("/batch", bearer("wrong"))).toMatchObject({
      status: 401,
      json: { detail: "Invalid token" },
    });
    expect(await app.get("/batch", bearer("env-token"))).toMatchObject({
      status: 403,
      json: { detail: "This token's role (env) may not do this: it takes trainer" },
    });
  });

  test.each([
    ["another token of the role", bearer("second-env-token"), 200],
    ["the password of Basic, whoever the user is", basic("anybody", "env-token"), 200],
    ["a scheme in other letters", { authorization: "bearer env-token" }, 200],
    ["a token with more behind it", bearer("env-token2"), 401],
    ["a prefix of a token", bearer("env-toke"), 401],
    [
      "a user without a password",
      { authorization: `Basic ${Buffer.from("env-token").toString("base64")}` },
      401,
    ],
    ["no scheme", { authorization: "env-token" }, 401],
    ["an empty token", { authorization: "Bearer " }, 401],
  ])("%s", async (_name, headers, status) => {
    await using app = startGuarded();
    expect((await app.get("/info", headers)).status).toBe(status);
  });

  test("a refused submission stores nothing, and nobody without a token wipes a run", async () => {
    await using app = startGuarded();
    await app.post("/register", wireRegistration, bearer("trainer-token"));
    await app.post("/scored_data", wireGroup, bearer("trainer-token"));
    expect((await app.get("/status", bearer("admin-token"))).json).toMatchObject({ queue_size: 0 });
    await app.post("/scored_data", wireGroup, bearer("env-token"));
    await app.get("/reset_data", bearer("trainer-token"));
    await app.get("/reset_data");
    expect((await app.get("/status", bearer("admin-token"))).json).toMatchObject({ queue_size: 1 });
    expect((await app.post("/reset_data", {}, bearer("admin-token"))).text).toBe("Reset successful");
    expect((await app.get("/status", bearer("admin-token"))).json).toMatchObject({ queue_size: 0 });
  });

  test("also in compat mode", async () => {
    await using app = startGuarded({ compat: true });
    expect((await app.get("/batch")).status).toBe(401);
  });
});

describe("pages of other origins", () => {
  const evil = { origin: "http://evil.example", host: "localhost:8000" };

  test.each(["POST /register", "POST /scored_data", "GET /batch", "GET /reset_data", "POST /reset_data"])(
    "can't %s",
    async (endpoint) => {
      await using app = startTestApp();
      await app.post("/register", wireRegistration);
      await app.post("/scored_data", wireGroup);
      for (const headers of [
        evil,
        { ...evil, origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ]) {
        expect(await ask(app, endpoint, headers)).toMatchObject({
          status: 403,
          json: { detail: "Cross-origin requests are not allowed" },
        });
      }
      expect((await app.get("/status")).json).toEqual({ current_step: 0, queue_size: 1 });
    },
  );

  test("may look, but get no leave to see", async () => {
    await using app = startTestApp();
    const { status, headers } = await app.get("/info", evil);
    expect(status).toBe(200);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("of a configured origin may use the API, but not wipe a run", async () => {
    await using app = startTestApp({ corsOrigins: ["https://lab.example"] });
    const lab = { origin: "https://lab.example", "sec-fetch-site": "cross-site" };
    const answer = await app.post("/register", wireRegistration, lab);
    expect(answer).toMatchObject({
      status: 200,
      headers: { "access-control-allow-origin": "https://lab.example", vary: "Origin" },
    });
    expect((await app.get("/reset_data", lab)).status).toBe(403);
    expect((await app.post("/register", wireRegistration, evil)).status).toBe(403);
  });

  test("in compat mode use everything as with the original, but can't wipe a run", async () => {
    await using app = startTestApp({ compat: true });
    expect((await app.post("/register", wireRegistration, evil)).status).toBe(200);
    expect((await app.get("/reset_data", evil)).status).toBe(403);
    expect((await app.get("/reset_data", { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await app.get("/info")).json).toMatchObject({ batch_size: 2 });
    expect((await app.get("/reset_data")).status).toBe(200);
  });

  test.each([
    ["its own origin", { origin: "http://localhost:8000", host: "localhost:8000" }],
    [
      "its own origin behind a proxy",
      { origin: "https://lab.example", host: "127.0.0.1:8000", "sec-fetch-site": "same-origin" },
    ],
    ["a person who typed the address", { "sec-fetch-site": "none" }],
    ["a program", {}],
  ])("are not %s", async (_name, headers) => {
    await using app = startTestApp();
    expect((await app.get("/reset_data", headers)).status).toBe(200);
  });
});

describe("names that an attacker points at this machine", () => {
  test.each([
    ["localhost:8000", 200],
    ["127.0.0.1", 200],
    ["127.9.9.9:1", 200],
    ["[::1]:8000", 200],
    ["run.localhost", 200],
    ["LOCALHOST:80", 200],
    ["proxy.lab:80", 200],
    ["evil.example:8000", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example", 403],
    ["169.254.169.254", 403],
  ])("Host: %s gets %d", async (host, status) => {
    await using app = startTestApp({ hosts: ["proxy.lab"] });
    expect((await app.get("/info", { host })).status).toBe(status);
  });

  test("any name will do where other machines come in, and in compat mode", async () => {
    await using open = startTestApp();
    expect((await open.get("/info", { host: "gpu-7.lab:8000" })).status).toBe(200);
    await using compat = startTestApp({ hosts: [], compat: true });
    expect((await compat.get("/info", { host: "evil.example" })).status).toBe(200);
  });
});

import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type Address, AddressGuard } from "../../../src/tools/web/address-guard.ts";
import { GuardedWeb } from "../../../src/tools/web/guarded-web.ts";
import { loopbackServer, sendHtml } from "../../support/loopback-server.ts";

const limits = { timeoutMs: 20_000, maxBytes: 100_000, signal: new AbortController().signal };
const opened = (...allowedHosts: string[]) => new GuardedWeb({ guard: new AddressGuard({ allowedHosts }) });

describe("fetching for the model", () => {
  test("follows redirects and gives the last address", async () => {
    await using site = await loopbackServer(({ path }, response) => {
      if (path === "/") response.writeHead(302, { location: "/there" }).end();
      else sendHtml(response, `at ${path}`);
    });
    await using web = opened(site.host);
    const answer = await web.get(site.url, limits);
    expect(answer).toMatchObject({ ok: true, status: 200, url: `${site.url}/there` });
  });

  test.each(["http://127.0.0.1:2/", "http://169.254.169.254/", "file:///etc/passwd", "ftp://127.0.0.1/"])(
    "never follows a redirect to %s",
    async (location) => {
      await using site = await loopbackServer((_request, response) => {
        response.writeHead(302, { location }).end();
      });
      await using web = opened(site.host);
      expect(await web.get(site.url, limits)).toMatchObject({ ok: false, blocked: true });
    },
  );

  test("a name that resolves differently the next time gains nothing: each connection goes where the guard looked", async () => {
    await using secret = await loopbackServer((_request, response) => sendHtml(response, "secret"));
    const answers: Address[][] = [
      [{ address: "192.0.0.1", family: 4 }],
      [{ address: "127.0.0.1", family: 4 }],
    ];
    const resolve = async () => answers.shift() ?? [];
    const guard = new AddressGuard({ resolve, allowedHosts: ["192.0.0.0/24"] });
    await using web = new GuardedWeb({ guard });
    const url = `http://rebinding.example:${new URL(secret.url).port}/`;
    // The first, allowed answer leads nowhere; had the connection resolved the name again, it had found the secret.
    expect(await web.get(url, { ...limits, timeoutMs: 300 })).toMatchObject({ ok: false, blocked: false });
    expect(await web.get(url, limits)).toMatchObject({ ok: false, blocked: true });
    expect(secret.requests).toEqual([]);
  });

  test("stops reading what is too large, also when it was packed small", async () => {
    await using site = await loopbackServer((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(5_000_000, "x")));
    });
    await using web = opened(site.host);
    expect(await web.get(site.url, limits)).toMatchObject({
      ok: false,
      error: expect.stringContaining("larger"),
    });
  });

  test("gives up on a site that never answers, and rejects when the rollout is cancelled", async () => {
    await using site = await loopbackServer(() => {});
    await using web = opened(site.host);
    expect(await web.get(site.url, { ...limits, timeoutMs: 50 })).toMatchObject({ ok: false });
    const cancelled = new AbortController();
    const pending = web.get(site.url, { ...limits, signal: cancelled.signal });
    cancelled.abort(new Error("cancelled"));
    await expect(pending).rejects.toThrow("cancelled");
  });

  test("goes round a circle of redirects only so often", async () => {
    await using site = await loopbackServer((_request, response) => {
      response.writeHead(302, { location: "/" }).end();
    });
    await using web = opened(site.host);
    expect(await web.get(site.url, limits)).toMatchObject({
      ok: false,
      error: expect.stringContaining("redirects"),
    });
  });
});

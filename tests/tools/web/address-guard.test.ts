import { describe, expect, test } from "vitest";
import { type Address, AddressGuard } from "../../../src/tools/web/address-guard.ts";

const { signal } = new AbortController();
const judge = (guard: AddressGuard, url: string) => {
  const { hostname, port, protocol } = new URL(url);
  return guard.judge(hostname, Number(port) || (protocol === "https:" ? 443 : 80), { signal });
};
const resolvingTo =
  (...addresses: Address[]) =>
  async () =>
    addresses;

describe("the address guard", () => {
  test.each([
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
  ])("forbids %s", async (url) => {
    expect(await judge(new AddressGuard(), url)).toMatchObject({ ok: false, blocked: true });
  });

  test.each([
    "http://93.184.215.14/",
    "http://[2606:4700:4700::1111]/",
    "http://172.32.0.1/",
    "http://[::ffff:8.8.8.8]/",
  ])("allows %s", async (url) => {
    expect(await judge(new AddressGuard(), url)).toMatchObject({ ok: true });
  });

  test("forbids a name of which one address is private, and says which", async () => {
    const resolve = resolvingTo({ address: "8.8.8.8", family: 4 }, { address: "::1", family: 6 });
    const verdict = await judge(new AddressGuard({ resolve }), "http://mixed.example/");
    expect(verdict).toMatchObject({ blocked: true, reason: expect.stringContaining("mixed.example (::1)") });
  });

  test("tells a name without addresses from a forbidden one", async () => {
    const resolve = () => Promise.reject(new Error("ENOTFOUND"));
    expect(await judge(new AddressGuard({ resolve }), "http://nowhere.example/")).toMatchObject({
      ok: false,
      blocked: false,
    });
  });

  test.each<[string, string[], boolean]>([
    ["http://127.0.0.1:9000/", ["127.0.0.1:9000"], true],
    ["http://127.0.0.1:9001/", ["127.0.0.1:9000"], false],
    ["http://127.0.0.1:9001/", ["127.0.0.1"], true],
    ["http://127.0.0.2/", ["127.0.0.1"], false],
    ["http://10.20.30.40/", ["10.20.0.0/16"], true],
    ["http://10.21.30.40/", ["10.20.0.0/16"], false],
    ["http://Wiki.intra/", ["wiki.intra"], true],
    ["http://wiki.intra/", ["wiki.intra:8080"], false],
    ["http://[::1]:80/", ["::1"], true],
    ["http://[fd12::7]/", ["fd12::/16"], true],
  ])("%s with %j allowed: %s", async (url, allowedHosts, ok) => {
    const resolve = resolvingTo({ address: "192.168.7.7", family: 4 });
    expect((await judge(new AddressGuard({ allowedHosts, resolve }), url)).ok).toBe(ok);
  });
});

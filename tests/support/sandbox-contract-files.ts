/** The part of the sandbox contract about files and archives. */
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import tarStream from "tar-stream";
import { describe, expect, test } from "vitest";
import { type SandboxContractContext, neverAborted as signal, text } from "./sandbox-contract-context.ts";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function describeFiles(context: SandboxContractContext): void {
  const { sizes, open, run } = context;

  describe("files", () => {
    test(`${sizes.fileBytes} bytes go in and come out as they are, as a file and as a tar`, async () => {
      const sandbox = await open();
      const content = randomBytes(sizes.fileBytes);
      await sandbox.writeFile("deep/er/big.bin", content, { signal });
      expect(text((await run(sandbox, "sha256sum < deep/er/big.bin")).stdout)).toContain(sha256(content));
      expect(sha256(await sandbox.readFile("deep/er/big.bin", { signal }))).toBe(sha256(content));

      const packed = await readTar(await sandbox.download("deep/er", { signal }));
      const fromTar = packed.get("./big.bin") ?? Buffer.alloc(0);
      expect(sha256(fromTar)).toBe(sha256(content));
      await run(sandbox, "rm -r deep");
      const pack = tarStream.pack();
      pack.entry({ name: "er/big.bin" }, fromTar);
      pack.finalize();
      await sandbox.upload(Readable.from(pack), "deep", { signal });
      expect(text((await run(sandbox, "sha256sum < deep/er/big.bin")).stdout)).toContain(sha256(content));
    });

    test.each([
      ["empty", Buffer.alloc(0)],
      ["a name with 'quotes' and\nmore $(touch x)", Buffer.from([0, 255, 10])],
    ])("a file called %j survives the round trip", async (fileName, content) => {
      const sandbox = await open();
      await sandbox.writeFile(fileName, content, { signal });
      expect(await sandbox.readFile(`${sandbox.workspace}/${fileName}`, { signal })).toEqual(content);
    });

    test("a missing file, a directory and an overlong file each have their own error", async () => {
      const sandbox = await open();
      await sandbox.writeFile("ten", Buffer.alloc(10), { signal });
      await expect(sandbox.readFile("nothing", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_NOT_FOUND",
      });
      await expect(sandbox.readFile(".", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
      await expect(sandbox.readFile("ten", { signal, maxBytes: 9 })).rejects.toMatchObject({
        code: "SANDBOX_FILE_TOO_LARGE",
      });
      expect(await sandbox.readFile("ten", { signal, maxBytes: 10 })).toHaveLength(10);
      await expect(sandbox.writeFile("ten/below", Buffer.alloc(1), { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
      await expect(sandbox.readFile("a\0b", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
    });

    test("an endless file is never read to its end", async () => {
      const sandbox = await open();
      await run(
        sandbox,
        "ln -s /dev/zero zero; mkfifo pipe; truncate -s 100G sparse || truncate -s 200M sparse",
      );
      await expect(sandbox.readFile("zero", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
      await expect(sandbox.readFile("pipe", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
      await expect(sandbox.readFile("sparse", { signal, maxBytes: 1_000 })).rejects.toMatchObject({
        code: "SANDBOX_FILE_TOO_LARGE",
      });
    });

    test("a tar unpacks inside, and directories and files come back as tars", async () => {
      const sandbox = await open();
      const content = randomBytes(300_000);
      const pack = tarStream.pack();
      pack.entry({ name: "tree/one.bin" }, content);
      pack.entry({ name: "tree/two.txt", mode: 0o755 }, "two");
      pack.finalize();
      await sandbox.upload(Readable.from(pack), "un/packed", { signal });
      expect((await run(sandbox, "[ -x un/packed/tree/two.txt ]")).exitCode).toBe(0);

      const tree = await readTar(await sandbox.download("un/packed/tree", { signal }));
      expect([...tree.keys()].toSorted()).toEqual(["./one.bin", "./two.txt"]);
      expect(tree.get("./one.bin")?.equals(content)).toBe(true);
      const single = await readTar(await sandbox.download("un/packed/tree/two.txt", { signal }));
      expect([...single].map(([entry, bytes]) => [entry, text(bytes)])).toEqual([["two.txt", "two"]]);
    });

    test("a broken tar and a missing download reject", async () => {
      const sandbox = await open();
      const garbage = Readable.from([Buffer.alloc(2_000, "no tar")]);
      await expect(sandbox.upload(garbage, "x", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_FAILED",
      });
      await expect(sandbox.download("missing", { signal })).rejects.toMatchObject({
        code: "SANDBOX_FILE_NOT_FOUND",
      });
    });
  });
}

async function readTar(tar: Readable): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const extract = tarStream.extract();
  tar.pipe(extract);
  for await (const entry of extract) {
    const bytes = await buffer(entry);
    if (entry.header.type === "file") files.set(entry.header.name, bytes);
  }
  return files;
}

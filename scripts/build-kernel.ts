/**
 * Compiles src/rollout-api/kernel/kernel.as to WebAssembly and writes it into kernel-code.ts beside it, which is
 * checked in: nobody but who changes the kernel needs the compiler (AssemblyScript with Binaryen, 100 MB), which
 * is why it is one of tests/packages. A test compiles the source again and compares.
 *
 * Run: npm ci --prefix tests/packages && npm run build:kernel
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { importPackage } from "../tests/packages/import-package.ts";

type CompilerFiles = {
  readFile(name: string): string | null;
  writeFile(name: string, contents: string | Uint8Array): void;
  listFiles(): string[];
};
type Compile = (
  args: string[],
  files: CompilerFiles,
) => Promise<{ error: Error | null; stderr: { toString(): string } }>;

const compiler = z.object({
  default: z.object({ main: z.custom<Compile>((main) => typeof main === "function") }),
});

const directory = join(import.meta.dirname, "../src/rollout-api/kernel");
/** The constants lie behind the tables of kernel.as and before the input of group-kernel.ts. */
const MEMORY = ["--importMemory", "--memoryBase", "40960"];
const OPTIONS = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", ...MEMORY];
const LINE = 100;

/** The module's text: kernel-code.ts as it should be. */
export async function compileKernel(): Promise<string> {
  const source = await readFile(join(directory, "kernel.as"), "utf8");
  const { default: asc } = compiler.parse(await importPackage("assemblyscript/asc"));
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(["kernel.ts", "--outFile", "kernel.wasm", ...OPTIONS], {
    readFile: (name: string) => (name === "kernel.ts" ? source : null),
    writeFile: (name: string, contents: string | Uint8Array) => {
      if (name === "kernel.wasm" && typeof contents !== "string") wasm = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || wasm === undefined)
    throw new Error(`kernel.as does not compile:\n${stderr.toString()}`);
  const text = Buffer.from(wasm).toString("base64");
  const lines = text.match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return [
    "/** Compiled from kernel.as by `npm run build:kernel`: change that, not this. */",
    "export const kernelCode = [",
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

if (import.meta.main) await writeFile(join(directory, "kernel-code.ts"), await compileKernel());

/** Assembles the tiny policy's matrix kernel: `npx node scripts/assemble-kernel.ts` after each change of gemm.wat. */
import { readFile, writeFile } from "node:fs/promises";
import wabt from "wabt";

const folder = new URL("../src/tiny-policy/engine/", import.meta.url);

export async function assembleKernel(): Promise<string> {
  const assembler = await wabt();
  const source = await readFile(new URL("gemm.wat", folder), "utf8");
  const module = assembler.parseWat("gemm.wat", source, { simd: true, bulk_memory: true });
  try {
    const { buffer } = module.toBinary({});
    return [
      "/** Assembled from gemm.wat by scripts/assemble-kernel.ts; a test keeps the two together. */",
      `export const gemmBinary =\n  "${Buffer.from(buffer).toString("base64")}";`,
      "",
    ].join("\n");
  } finally {
    module.destroy();
  }
}

if (import.meta.main) await writeFile(new URL("gemm-binary.ts", folder), await assembleKernel());

/** What a killed process leaves at the end of a file of lines: a line without its line break. */
import { open } from "node:fs/promises";
import { unwritable } from "./jsonl-file.ts";

const CHUNK_BYTES = 64 * 1024;
const newline = 0x0a;

/** Cuts it off; returns how many bytes that were. A missing file has none. Rejects with OUTPUT_UNWRITABLE. */
export async function cutTornLine(path: string): Promise<number> {
  try {
    await using handle = await open(path, "r+");
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let whole = 0;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - CHUNK_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, end - start, start);
      const last = buffer.subarray(0, bytesRead).lastIndexOf(newline);
      if (last !== -1) {
        whole = start + last + 1;
        break;
      }
      end = start;
    }
    if (whole < size) await handle.truncate(whole);
    return size - whole;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw unwritable(path, error);
  }
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { RollingOutput } from "../../src/tools/rolling-output.ts";

test("keeps exactly the end of any stream, however it is cut into chunks", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 });
  fc.assert(
    fc.property(chunks, fc.integer({ min: 1, max: 64 }), (written, limitBytes) => {
      const output = new RollingOutput(limitBytes);
      for (const chunk of written) output.write(chunk);
      const all = Buffer.concat(written);
      const kept = all.subarray(Math.max(0, all.length - limitBytes));
      expect(output.bytes().equals(kept)).toBe(true);
      expect(output.droppedBytes).toBe(all.length - kept.length);
    }),
  );
});

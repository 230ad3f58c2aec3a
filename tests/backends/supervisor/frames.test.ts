import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, FrameDecoder } from "../../../backends/supervisor/frames.ts";

const anyFrame = fc.record({
  type: fc.nat({ max: 255 }),
  jobId: fc.nat({ max: 2 ** 32 - 1 }),
  payload: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
});

test("frames survive being cut anywhere", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (frames, sizes) => {
        const bytes = Buffer.concat(
          frames.map(({ type, jobId, payload }) => encodeFrame(type, jobId, payload)),
        );
        const decoder = new FrameDecoder();
        const decoded = [];
        for (let offset = 0, turn = 0; offset < bytes.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          decoded.push(...decoder.decode(bytes.subarray(offset, offset + size)));
          offset += size;
        }
        expect(decoded).toEqual(frames);
      },
    ),
  );
});

test("a frame that announces more than the supervisor ever sends is refused before it is awaited", () => {
  const decoder = new FrameDecoder();
  const header = encodeFrame(17, 1);
  header.writeUInt32BE(65_537, 5);
  expect(() => [...decoder.decode(header)]).toThrow("65537 bytes");
});

import { expect, test } from "vitest";
import { backendNames, createBackend } from "../../backends/index.ts";

test("every registered backend can be made from its defaults alone, without starting anything", () => {
  expect(backendNames).toContain("local");
  for (const name of backendNames) expect(createBackend(name, {}).name).toBe(name);
});

test.each(["locl", "toString", ""])(
  "the unknown backend %j is an error that lists the known ones",
  (name) => {
    expect(() => createBackend(name, {})).toThrow(
      expect.objectContaining({ code: "TERMINAL_BACKEND_UNKNOWN", hint: expect.stringContaining("local") }),
    );
  },
);

test.each([{ isolation: "chroot" }, { memory: 5 }, { memory_mb: -1 }])(
  "the settings %j are refused",
  (config) => {
    expect(() => createBackend("local", config)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  },
);

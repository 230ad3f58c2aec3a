/** A CliIo that remembers what was written. */
import type { CliIo } from "../../src/cli/cli-io.ts";
import { readProcessEnvironment } from "../../src/cli/process-environment.ts";

export type MemoryIo = CliIo & { read(): { stdout: string; stderr: string } };

export function memoryIo(): MemoryIo {
  const written = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr") => ({
    columns: 80,
    write: (text: string) => {
      written[name] += text;
    },
  });
  return {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: readProcessEnvironment({}),
    read: () => ({ ...written }),
  };
}

/** A place with the stand-in for Apptainer, a cache of images and a directory for sandboxes, for one test file. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { eventually } from "./host-processes.ts";
import { TemporaryDirectory } from "./temporary-directory.ts";

export class FakeApptainer implements AsyncDisposable {
  /** The directory of the program. */
  readonly programs: string;
  readonly program: string;
  readonly cache: string;
  readonly base: string;
  readonly #temporary: TemporaryDirectory;

  private constructor(temporary: TemporaryDirectory) {
    this.#temporary = temporary;
    this.programs = join(temporary.path, "bin");
    this.program = join(this.programs, "apptainer");
    this.cache = join(temporary.path, "cache");
    this.base = join(temporary.path, "sandboxes");
    mkdirSync(this.programs);
    mkdirSync(this.base);
    copyFileSync(new URL("apptainer/apptainer", import.meta.url), this.program);
    chmodSync(this.program, 0o755);
  }

  static async make(): Promise<FakeApptainer> {
    return new FakeApptainer(await TemporaryDirectory.make());
  }

  get config(): Record<string, unknown> {
    return { path: this.program, cache_dir: this.cache, directory: this.base };
  }

  /** Sources of the conversions that were begun. */
  get builds(): string[] {
    return this.#logged(0);
  }

  /** Kills the conversion that was begun last, with all its helpers, before any of them can tidy up. */
  killLastBuild(): void {
    process.kill(-Number(this.#logged(1).at(-1)), "SIGKILL");
  }

  /** Lets conversions wait half-way, or go on. */
  holdBuilds(isHeld: boolean): void {
    const path = join(this.programs, "hold-builds");
    if (isHeld) writeFileSync(path, "");
    else rmSync(path, { force: true });
  }

  listCache(): string[] {
    return existsSync(this.cache) ? readdirSync(this.cache).toSorted() : [];
  }

  #logged(column: number): string[] {
    const log = join(this.programs, "builds");
    if (!existsSync(log)) return [];
    const lines = readFileSync(log, "utf8").trim().split("\n");
    return lines.map((line) => line.split(" ")[column] ?? "");
  }

  async expectNothingLeft(): Promise<void> {
    const left = () => [...readdirSync(this.base), ...marked(this.base)];
    await eventually(() => left().length === 0, "no container is left").catch((error: unknown) => {
      throw new Error(`left: ${left().join(", ")}`, { cause: error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#temporary[Symbol.asyncDispose]();
  }
}

/** Processes that carry the mark of a container, by id; other test files' have their own directory in theirs. */
function marked(base: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "latin1").includes(base);
    } catch {
      return false;
    }
  });
}

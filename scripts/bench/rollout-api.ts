/**
 * How fast the rollout server takes groups in and hands batches out, by store. Every configuration is a process
 * of its own, driven by the same load one after the other, and so are the baselines: a bare node:http server that
 * takes and sends the same bytes, and the stack that the Atropos server stands on, where it is installed. The
 * ratios against them are what to compare between machines and days. See docs/performance.md.
 *
 * Run: npx node scripts/bench/rollout-api.ts [--groups 1200] [--rounds 3] [--depth 100000] [--only sqlite]
 *        [--python PATH]   of a Python with fastapi, uvicorn, uvloop and httptools
 */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compressed, type GroupShape, Load, makeGroups } from "./rollout-api/load.ts";
import { ServerProcess } from "./rollout-api/server-process.ts";

const { values } = parseArgs({
  options: {
    groups: { type: "string", default: "1200" },
    rounds: { type: "string", default: "3" },
    depth: { type: "string", default: "100000" },
    only: { type: "string", default: "" },
    directory: { type: "string", default: tmpdir() },
    python: { type: "string", default: "python3" },
  },
});
const groups = Number(values.groups);
const rounds = Number(values.rounds);
const depths = [0, 4000, Number(values.depth)];

const LARGE: GroupShape = { sequences: 8, tokens: 1024 };
const SMALL: GroupShape = { sequences: 4, tokens: 4 };
const BATCH_SIZE = 64;
const CONNECTIONS = 16;
/** Small groups per POST /scored_data_list. */
const LIST_LENGTH = 500;

const throughputs = ["ingest gzip", "ingest plain", "drain plain", "drain gzip"] as const;
type Throughput = (typeof throughputs)[number];

/** One thing measured once: how many a second, and the server's processor time for each. */
type Figure = { perSecond: number; processorMs: number };
type Round = { figures: ReadonlyMap<Throughput, Figure>; residentMb: number };
type Configuration = {
  name: string;
  start: (directory: string) => Promise<ServerProcess>;
  /** Part of the load that it gets, where it would take minutes for all of it. */
  share?: number;
};

const runApi = join(import.meta.dirname, "../../src/cli/run-api.ts");
const bareServer = join(import.meta.dirname, "rollout-api/bare-server.ts");
const fastApiServer = join(import.meta.dirname, "rollout-api/fastapi-server.py");
const quiet = ["--port", "0", "--log-level", "warn"];
const largeGroups = makeGroups(8, LARGE, 0);
const batchBytes = largeGroups.reduce((sum, body) => sum + body.length, 0);

const bare: Configuration = {
  name: "bare node:http",
  start: () => ServerProcess.start(bareServer, [String(batchBytes)]),
};
const fastApi: Configuration = {
  name: "FastAPI",
  start: () => ServerProcess.start(fastApiServer, [], { program: values.python }),
  share: 1 / 4,
};
const stores: readonly Configuration[] = [
  {
    name: "memory",
    start: (directory) =>
      ServerProcess.start(runApi, [...quiet, "--run-dir", directory, "--store", "memory"]),
  },
  ...["normal", "full"].map((sync) => ({
    name: `sqlite ${sync}`,
    start: (directory: string) => {
      const store = `sqlite:${join(directory, "rollouts.sqlite")}`;
      return ServerProcess.start(runApi, [
        ...quiet,
        "--run-dir",
        directory,
        "--store",
        store,
        "--sync",
        sync,
      ]);
    },
  })),
];

/** Runs one configuration on fresh storage. */
async function withServer<T>(
  { start }: Configuration,
  use: (server: ServerProcess, load: Load) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(values.directory, "bench-rollout-api-"));
  try {
    await using server = await start(directory);
    using load = new Load(server.url);
    return await use(server, load);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureThroughput(configuration: Configuration): Promise<Round> {
  const count = Math.ceil(groups * (configuration.share ?? 1));
  const batches = Math.floor((count * LARGE.sequences) / BATCH_SIZE);
  const zippedGroups = compressed(largeGroups);
  const ingest = (load: Load, gzip: boolean, bodies = count) =>
    load.ingest("/scored_data", gzip ? zippedGroups : largeGroups, bodies, {
      gzip,
      connections: CONNECTIONS,
    });
  const drain = async (load: Load, headers: Record<string, string>) =>
    (await load.drain(batches, headers)).perSecond;

  return withServer(configuration, async (server, load) => {
    const figures = new Map<Throughput, Figure>();
    const measure = async (name: Throughput, times: number, work: () => Promise<number>) => {
      const before = await server.processorMs();
      const perSecond = await work();
      figures.set(name, { perSecond, processorMs: ((await server.processorMs()) - before) / times });
    };
    if (configuration !== bare) await load.open(BATCH_SIZE, LARGE);
    // Warm: the first groups are read by code that is not compiled yet.
    await ingest(load, false, 128);
    await load.drain(16, {});
    await measure("ingest gzip", count, () => ingest(load, true));
    await measure("drain plain", batches, () => drain(load, {}));
    await measure("ingest plain", count, () => ingest(load, false));
    const residentMb = await server.residentMegabytes();
    await measure("drain gzip", batches, () => drain(load, { "accept-encoding": "gzip" }));
    return { figures, residentMb };
  });
}

/** Latency of /status-env and memory, with ever more small groups in the queue. */
async function measureDepths(configuration: Configuration): Promise<string[]> {
  const small = makeGroups(LIST_LENGTH, SMALL, 0);
  const list = Buffer.from(`[${small.join(",")}]`);
  return withServer(configuration, async (server, load) => {
    await load.open(BATCH_SIZE, SMALL);
    const cells: string[] = [];
    let queued = 0;
    for (const depth of depths) {
      const lists = Math.ceil((depth - queued) / LIST_LENGTH);
      if (lists > 0) await load.ingest("/scored_data_list", [list], lists, { gzip: false, connections: 2 });
      queued += lists * LIST_LENGTH;
      const latencyMs = await load.latency("GET", "/status-env", { env_id: 0 }, 200);
      cells.push(`${latencyMs.toFixed(2)} ms, ${(await server.residentMegabytes()).toFixed(0)} MB`);
    }
    return cells;
  });
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;
}

function medianOf(done: readonly Round[], name: Throughput, field: keyof Figure): number {
  return median(done.map(({ figures }) => figures.get(name)?.[field] ?? Number.NaN));
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const cells of [head, head.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
}

const chosen = stores.filter(({ name }) => name.includes(values.only));
const currentLoad = () => loadavg()[0]?.toFixed(1) ?? "?";
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load ${currentLoad()} before\n`,
);

const hasFastApi =
  spawnSync(values.python, ["-c", "import fastapi, uvicorn, uvloop, httptools"]).status === 0;
const baselines = hasFastApi ? [bare, fastApi] : [bare];
const roundsByServer = new Map<string, Round[]>();
for (let round = 0; round < rounds; round++) {
  for (const configuration of [...baselines, ...chosen]) {
    const done = roundsByServer.get(configuration.name) ?? [];
    roundsByServer.set(configuration.name, [...done, await measureThroughput(configuration)]);
  }
}

/** What a server reached against the baselines. */
function ratiosOf(server: string, perSecond: number, name: Throughput): string {
  if (server === bare.name) return "";
  const over = (baseline: Configuration) =>
    perSecond / medianOf(roundsByServer.get(baseline.name) ?? [], name, "perSecond");
  const ofBare = `${(over(bare) * 100).toFixed(0)} % of bare, `;
  return hasFastApi && server !== fastApi.name ? `${over(fastApi).toFixed(1)} × FastAPI, ${ofBare}` : ofBare;
}

printTable(
  ["server", ...throughputs.map((name) => `${name}, /s`), "memory, MB"],
  [...roundsByServer].map(([server, done]) => [
    server,
    ...throughputs.map((name) => {
      const perSecond = medianOf(done, name, "perSecond");
      const processorMs = medianOf(done, name, "processorMs");
      const digits = perSecond < 100 ? 1 : 0;
      return `**${perSecond.toFixed(digits)}** (${ratiosOf(server, perSecond, name)}${processorMs.toFixed(2)} ms CPU)`;
    }),
    median(done.map(({ residentMb }) => residentMb)).toFixed(0),
  ]),
);
if (!hasFastApi) {
  console.log(
    "\nNo comparison with Atropos' stack: `python3 -m venv VENV && VENV/bin/pip install fastapi uvicorn uvloop httptools`,\n" +
      "then `--python VENV/bin/python`.",
  );
}
console.log();

const depthRows: string[][] = [];
for (const configuration of chosen) {
  depthRows.push([configuration.name, ...(await measureDepths(configuration))]);
}
printTable(["/status-env, memory", ...depths.map((depth) => `${depth} groups`)], depthRows);
console.log(`\nload ${currentLoad()} after`);

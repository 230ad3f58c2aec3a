/**
 * Which parquet files of a hub repository make up one config and split. Three layouts are in use:
 * `main/train-00000-of-00001.parquet`, `data/train-00000-of-00002.parquet` (one config only), and
 * `main/train/0000.parquet` (the hub's own conversion).
 */

export type RemoteFile = {
  path: string;
  /** Bytes. */
  size: number;
  /** Hex, where the hub tells it. */
  sha256: string | null;
};

export type ChosenFiles =
  | { kind: "found"; files: RemoteFile[] }
  /** `candidates` are the "config/split" pairs that are there. */
  | { kind: "none"; candidates: string[] };

/** Without a config the split must be the only one of its name. Files come in the order of their names. */
export function chooseSplitFiles(
  files: readonly RemoteFile[],
  { config, split }: { config: string | null; split: string },
): ChosenFiles {
  const placed = files.map((file) => ({ file, place: placeOf(file.path) }));
  const inSplit = placed.filter(({ place }) => place?.split === split);
  const configs = new Set(inSplit.map(({ place }) => place?.config));
  const wanted = config ?? (configs.size === 1 ? [...configs][0] : undefined);
  const chosen = inSplit.filter(({ place }) => place?.config === wanted).map(({ file }) => file);
  if (chosen.length > 0)
    return { kind: "found", files: chosen.toSorted((a, b) => (a.path < b.path ? -1 : 1)) };
  const candidates = placed.flatMap(({ place }) =>
    place === null ? [] : [`${place.config}/${place.split}`],
  );
  return { kind: "none", candidates: [...new Set(candidates)] };
}

function placeOf(path: string): { config: string; split: string } | null {
  const parts = path.split("/");
  const file = parts.pop() ?? "";
  const sharded = /^(.+?)-\d+-of-\d+(?:-[0-9a-f]+)?\.parquet$/.exec(file)?.[1];
  if (sharded !== undefined) return { config: configOf(parts), split: sharded };
  if (/^\d+\.parquet$/.test(file)) {
    const split = parts.pop();
    return split === undefined ? null : { config: configOf(parts), split };
  }
  return { config: configOf(parts), split: file.slice(0, -".parquet".length) };
}

/** `data/` is where datasets with a single config keep their files. */
function configOf(folders: readonly string[]): string {
  const folder = folders.filter((name) => name !== "data").at(-1);
  return folder ?? "default";
}

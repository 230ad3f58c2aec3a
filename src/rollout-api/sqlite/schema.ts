/** The tables of a store file, and the numbers by which it is known. */

/** "LACH" in SQLite's header: marks the file as ours. */
export const APPLICATION_ID = 0x4c414348;

/** Raise it with every change of the tables or of what their JSON holds. */
export const SCHEMA_VERSION = 2;

/** Every commit logs whole pages, and most of them for some hundred bytes. */
export const PAGE_BYTES = 4096;

/** Where the bodies of large groups are; see body-segments.ts. Version 1 had all bodies in `bodies`. */
const PLACES = `
  CREATE TABLE places (
    id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    checksum INTEGER NOT NULL, synced INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE segments (synced_through INTEGER NOT NULL) STRICT;
  INSERT INTO segments VALUES (0);
`;

/** Turns an older version's tables into this one's, by the version. Its groups stay where they are. */
export const MIGRATIONS: ReadonlyMap<number, string> = new Map([[1, PLACES]]);

/**
 * Small states are JSON (see state-text.ts). A group's row and its body come together and go apart: the row
 * when its batch is taken, the body some time later from the list of garbage, where it is out of the way.
 * A body is in `bodies` or, if it is large, has a row in `places`.
 * Numbers that clients choose are REAL, since they may be beyond 64 bits.
 */
export const SCHEMA = `
  CREATE TABLE runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, latest_group INTEGER, state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE envs (
    run INTEGER NOT NULL, env INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (run, env)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE groups (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, env REAL, sequences INTEGER NOT NULL, bytes INTEGER NOT NULL,
    arrived_at REAL NOT NULL, arrived_step REAL NOT NULL, position INTEGER
  ) STRICT;
  CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  CREATE TABLE garbage (id INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE batches (
    run INTEGER NOT NULL, batch INTEGER NOT NULL, formed_at REAL NOT NULL, group_ids TEXT NOT NULL,
    lease TEXT, expires_at REAL,
    PRIMARY KEY (run, batch)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE settlements (
    run INTEGER NOT NULL, number INTEGER NOT NULL, lease TEXT NOT NULL, how TEXT NOT NULL,
    PRIMARY KEY (run, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE group_names (
    run INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, sequences_left REAL,
    PRIMARY KEY (run, number)
  ) STRICT, WITHOUT ROWID;
  ${PLACES}
`;

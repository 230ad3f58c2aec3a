/** A loopback server that speaks the Hugging Face hub's API for one dataset or model; nothing else is served. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export type FakeHubOptions = {
  /** Name of the dataset, or of the model: the same files are served as either. */
  dataset: string;
  /** Content by path, per revision ("main" and e.g. "refs/convert/parquet"). */
  revisions: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;
  /** When set, requests without this token are refused with 401. */
  token?: string;
  /** Called before a request is answered; true = it was answered here. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
};

export type FakeHub = AsyncDisposable & { url: string; requests: string[] };

export function commitOf(revision: string): string {
  return createHash("sha1").update(revision).digest("hex");
}

export async function startFakeHub(options: FakeHubOptions): Promise<FakeHub> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (options.intercept?.(request, response)) return;
    answer(options, request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(options: FakeHubOptions, request: IncomingMessage, response: ServerResponse): void {
  const { dataset, revisions, token } = options;
  const url = new URL(request.url ?? "/", "http://hub");
  const sendJson = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    sendJson(401, { error: "Invalid username or password." });
    return;
  }
  const parsed = new RegExp(
    `^/(?:api/)?(?:datasets/|models/)?${dataset}/(revision|tree|resolve)/([^/]+)/?(.*)$`,
  ).exec(url.pathname);
  const [, endpoint, encoded = "", path = ""] = parsed ?? [];
  const revision = decodeURIComponent(encoded);
  const name = Object.keys(revisions).find((each) => each === revision || commitOf(each) === revision);
  if (name === undefined) {
    sendJson(404, { error: "Repository not found" });
    return;
  }
  const files = Object.entries(revisions[name] ?? {});
  if (endpoint === "revision") {
    sendJson(200, {
      _id: "1",
      id: dataset,
      private: false,
      gated: false,
      downloads: 0,
      likes: 0,
      sha: commitOf(name),
    });
  } else if (endpoint === "tree") {
    // Two entries a page, to show that pages are followed.
    const start = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url);
    next.searchParams.set("cursor", String(start + 2));
    sendJson(
      200,
      files.slice(start, start + 2).map(([file, content]) => treeEntry(file, content)),
      start + 2 < files.length
        ? { link: `<http://${request.headers.host}${next.pathname}${next.search}>; rel="next"` }
        : {},
    );
  } else {
    const content = files.find(([file]) => file === path)?.[1];
    if (content === undefined)
      sendJson(404, { error: "Entry not found" }, { "x-error-code": "EntryNotFound" });
    else sendRange(request, response, content);
  }
}

function treeEntry(path: string, content: Uint8Array) {
  const oid = createHash("sha256").update(content).digest("hex");
  return {
    type: "file",
    path,
    size: content.length,
    oid: "0",
    lfs: { oid, size: content.length, pointerSize: 130 },
  };
}

function sendRange(request: IncomingMessage, response: ServerResponse, content: Uint8Array): void {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(Number(range?.[2] ?? content.length - 1), content.length - 1);
  response.writeHead(range ? 206 : 200, {
    "content-type": "application/octet-stream",
    "content-range": `bytes ${start}-${end}/${content.length}`,
    etag: '"1"',
  });
  response.end(content.subarray(start, end + 1));
}

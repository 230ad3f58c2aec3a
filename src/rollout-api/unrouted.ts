/** The answer to what is no route: the right path with the wrong verb, a trailing slash too many, or nothing known. */
import { type Answer, detailAnswer } from "./answer.ts";
import type { Endpoint } from "./endpoint.ts";

export function answerUnrouted(
  endpoints: readonly Endpoint[],
  url: string,
  host: string | undefined,
): Answer {
  const [path = "", query] = url.split(/\?(.*)/s);
  const methods = methodsOf(endpoints, path);
  if (methods.length > 0) return detailAnswer(405, "Method Not Allowed", { allow: methods.join(", ") });

  const bare = path.replace(/\/+$/, "");
  if (bare !== path && methodsOf(endpoints, bare).length > 0) {
    const origin = host === undefined ? "" : `http://${host}`;
    const location = `${origin}${bare}${query === undefined ? "" : `?${query}`}`;
    return { status: 307, contentType: undefined, body: Buffer.alloc(0), headers: { location } };
  }
  return detailAnswer(404, "Not Found");
}

function methodsOf(endpoints: readonly Endpoint[], path: string): string[] {
  if (path === "/runs") return ["GET"];
  const ownPath = path.replace(/^\/runs\/[^/]+(?=\/|$)/, "") || "/";
  return endpoints.filter((endpoint) => endpoint.path === ownPath).map(({ method }) => method);
}

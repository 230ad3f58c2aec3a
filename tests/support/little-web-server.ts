/** The little web on a real socket: SearXNG's API over it, and its pages under /SITE/PATH. */
import { type LittlePage, rankPages, readLittleWeb } from "../../environments/web-research/little-web.ts";
import { type LoopbackServer, loopbackServer, sendHtml, sendJson } from "./loopback-server.ts";

export async function startLittleWeb(): Promise<LoopbackServer> {
  const pages = await readLittleWeb();
  const server: LoopbackServer = await loopbackServer(({ path }, response) => {
    const { pathname, searchParams } = new URL(path, server.url);
    const local = pages.map((page): LittlePage => ({ ...page, url: `${server.url}${placeOf(page)}` }));
    if (pathname === "/search") {
      const hits = rankPages(local, searchParams.get("q") ?? "", 10);
      return sendJson(response, 200, {
        results: hits.map(({ url, title, description }) => ({ url, title, content: description })),
      });
    }
    const page = pages.find((one) => placeOf(one) === pathname);
    if (page === undefined) return response.writeHead(404).end();
    return sendHtml(
      response,
      `<html><head><title>${page.title}</title></head><body><h1>${page.title}</h1><p>${page.text}</p></body></html>`,
    );
  });
  return server;
}

const placeOf = ({ url }: LittlePage): string => `/${url.replace(/^https?:\/\//, "")}`;

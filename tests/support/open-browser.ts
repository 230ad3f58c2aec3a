/** A program for tests: opens a page in a Chromium as a run would, says where, and waits to be killed. */
import { openToolServices } from "../../src/cli/tool-services.ts";

const [url = ""] = process.argv.slice(2);
const services = await openToolServices({
  browser_executable: "auto",
  web_allowed_hosts: [new URL(url).host],
});
const opened = await services.browser?.openContext({ signal: new AbortController().signal });
const page = await opened?.context.newPage();
await page?.goto(url);
process.stdout.write("open\n");
setInterval(() => {}, 60_000);

/** The `browser_*` tools: one real browser context per rollout, seen as an accessibility tree. */
import { z } from "zod";
import type { ResourceKey, RolloutContext } from "../contracts/rollout-context.ts";
import type { Tool } from "../contracts/tool.ts";
import type { BrowserService } from "./browser/browser-service.ts";
import { BrowserSession, PageProblem } from "./browser/browser-session.ts";
import { defineTool, type ToolOutput } from "./define-tool.ts";
import type { VisionService } from "./vision/vision-service.ts";

export type BrowserToolsOptions = { browser: BrowserService | null; vision: VisionService | null };

type BrowserToolDefinition<Parameters extends z.ZodObject> = {
  name: string;
  description: string;
  parameters: Parameters;
  unconfigured?: string | null;
  run(
    session: BrowserSession,
    args: z.output<Parameters>,
    context: RolloutContext,
  ): Promise<Record<string, unknown>>;
};

const botSigns =
  /just a moment|attention required|access denied|are you (a )?(human|robot)|captcha|verify you are/i;

const ref = z
  .string()
  .regex(/^@?((f\d+)?e\d+)$/, "expected an element of the snapshot, e.g. @e5")
  .transform((written) => written.replace(/^@/, ""))
  .describe("The element, as the snapshot names it, e.g. @e5.");

const none = z.strictObject({});

/** The eleven tools; all share the rollout's one session. */
export function browserTools({ browser, vision }: BrowserToolsOptions): Tool[] {
  const sessionKey: ResourceKey<BrowserSession> | null = browser && {
    name: "browser",
    create: (context) => BrowserSession.open(browser, context),
  };
  const missing = browser === null ? "set env.browser_executable to a Chromium, or to auto" : null;

  function tool<Parameters extends z.ZodObject>(definition: BrowserToolDefinition<Parameters>): Tool {
    const { run, unconfigured = null, ...rest } = definition;
    return defineTool({
      ...rest,
      toolset: "browser",
      unconfigured: missing ?? unconfigured,
      check: async () => (await browser?.check()) ?? null,
      async run(args, context): Promise<ToolOutput> {
        if (sessionKey === null) return { success: false, error: "No browser is configured here." };
        try {
          const session = await context.resource(sessionKey);
          return { success: true, ...(await run(session, args, context)) };
        } catch (thrown) {
          if (thrown instanceof PageProblem) return { success: false, error: thrown.message };
          throw thrown;
        }
      },
    });
  }

  return [
    tool({
      name: "browser_navigate",
      description:
        "Open a web page in the browser. Then call browser_snapshot to see it, and browser_click or browser_type to act on it.",
      parameters: z.strictObject({
        url: z.string().trim().min(1).max(4_096).describe("The page's whole URL."),
      }),
      async run(session, { url }) {
        const page = await session.navigate(url);
        return {
          ...page,
          ...(botSigns.test(page.title) && {
            bot_detection_warning: `The page titled "${page.title}" seems to keep robots out.`,
          }),
        };
      },
    }),
    tool({
      name: "browser_snapshot",
      description:
        "See the page as text. Elements carry names as [@e5] for browser_click and browser_type; after the page has changed, take a new snapshot.",
      parameters: z.strictObject({
        full: z
          .boolean()
          .default(false)
          .describe("True = all text; false = what can be clicked or typed into, and headings."),
      }),
      async run(session, { full }) {
        const { text, elements, totalChars } = await session.snapshot({ full });
        return {
          snapshot: text,
          element_count: elements,
          ...(text.length < totalChars && { truncated: true, total_chars: totalChars }),
        };
      },
    }),
    tool({
      name: "browser_click",
      description: "Click an element of the last snapshot.",
      parameters: z.strictObject({ ref }),
      run: async (session, args) => ({ clicked: `@${args.ref}`, ...(await session.click(args.ref)) }),
    }),
    tool({
      name: "browser_type",
      description: "Type into a field of the last snapshot; what it held before is replaced.",
      parameters: z.strictObject({ ref, text: z.string().max(100_000).describe("The new text.") }),
      async run(session, args) {
        await session.type(args.ref, args.text);
        return { typed: args.text, element: `@${args.ref}` };
      },
    }),
    tool({
      name: "browser_scroll",
      description: "Scroll the page.",
      parameters: z.strictObject({ direction: z.enum(["up", "down"]).describe("Where to.") }),
      async run(session, { direction }) {
        await session.scroll(direction);
        return { scrolled: direction };
      },
    }),
    tool({
      name: "browser_back",
      description: "Go back to the page before.",
      parameters: none,
      run: async (session) => ({ ...(await session.back()) }),
    }),
    tool({
      name: "browser_press",
      description: "Press a key, e.g. Enter, Tab, Escape, ArrowDown, Control+a.",
      parameters: z.strictObject({ key: z.string().min(1).max(50).describe("The key's name.") }),
      run: async (session, { key }) => ({ pressed: key, ...(await session.press(key)) }),
    }),
    tool({
      name: "browser_close",
      description: "Close the browser's pages and forget their cookies.",
      parameters: none,
      async run(session) {
        await session.close();
        return { closed: true };
      },
    }),
    tool({
      name: "browser_get_images",
      description: "List the images of the page with their URLs.",
      parameters: none,
      async run(session) {
        const images = imageList.parse(await session.images());
        return { images, count: images.length };
      },
    }),
    tool({
      name: "browser_console",
      description: "Read what the page wrote to its console, its errors and its dialogs, newest last.",
      parameters: z.strictObject({
        clear: z.boolean().default(false).describe("Forget them after reading."),
      }),
      async run(session, { clear }) {
        const read = session.log.read();
        if (clear) session.log.clear();
        return read;
      },
    }),
    tool({
      name: "browser_vision",
      description: "Take a screenshot of the page and ask a model that sees images about it.",
      parameters: z.strictObject({
        question: z.string().min(1).max(10_000).describe("What to find out."),
        annotate: z.boolean().default(false).describe("Also tell where the snapshot's elements are."),
      }),
      unconfigured: vision === null ? "set env.vision_base_url and env.vision_model" : null,
      async run(session, { question, annotate }, context) {
        if (vision === null) return { error: "No vision server is configured here." };
        const annotations = annotate ? await session.placedElements() : undefined;
        const { png, number } = await session.screenshot();
        const sandbox = await context.sandbox();
        const path = `${sandbox.workspace}/.lachesis/screenshots/${number}.png`;
        await sandbox.writeFile(path, png, { signal: context.signal });
        const elements =
          annotations && `\n\nElements, with [box=x,y,width,height]:\n${annotations.join("\n")}`;
        const answer = await vision.analyze(
          { question: `${question}${elements ?? ""}`, image: { mimeType: "image/png", bytes: png } },
          context,
        );
        if ("error" in answer) return { success: false, error: answer.error, screenshot_path: path };
        return { analysis: answer.analysis, screenshot_path: path, ...(annotations && { annotations }) };
      },
    }),
  ];
}

/** The page itself made it: nothing else is let through. */
const imageList = z
  .array(z.object({ src: z.string(), alt: z.string(), width: z.number(), height: z.number() }))
  .catch([]);

/** The header of a Harmony message, in the order of steps in which OpenAI's own reader takes it apart. */

export type HarmonyHeader = {
  role: string;
  channel: string | null;
  recipient: string | null;
  contentType: string | null;
};

const channelMark = "<|channel|>";
const constrainMark = "<|constrain|>";
const roles = ["user", "assistant", "system", "developer", "tool"];

/** `assistantGiven`: the prompt has said the role. Answers a problem in words where the header cannot be read. */
export function parseHarmonyHeader(text: string, assistantGiven: boolean): HarmonyHeader | string {
  let left = text;
  let channel: string | null = null;
  const at = text.indexOf(channelMark);
  if (at >= 0) {
    const after = text.slice(at + channelMark.length);
    const end = after.search(/[\s<]|$/);
    if (end === 0) return `Expected a channel after ${channelMark}.`;
    channel = after.slice(0, end);
    left = text.slice(0, at) + after.slice(end);
  }
  const parts = left
    .replaceAll(constrainMark, ` ${constrainMark}`)
    .split(/[ \t\n\f\r]+/)
    .filter(Boolean);
  const role = assistantGiven ? "assistant" : takeRole(parts);
  if (role === undefined) return "A message must begin with a role.";
  if (parts[0] === role) parts.shift();
  const last = parts.pop();
  if (last === undefined) return { role, channel, recipient: null, contentType: null };
  const isAlone = parts.length === 0 && !last.startsWith(constrainMark);
  if (last.startsWith("to=") || isAlone) {
    if (parts.length > 0) return `"${parts.join(" ")}" is not expected in a header.`;
    return { role, channel, recipient: withoutTo(last), contentType: null };
  }
  const recipient = parts.pop();
  if (parts.length > 0) return `"${parts.join(" ")}" is not expected in a header.`;
  return {
    role,
    channel,
    recipient: recipient === undefined ? null : withoutTo(recipient),
    contentType: last,
  };
}

/** An unknown role is a tool's name if a recipient follows it. */
function takeRole(parts: string[]): string | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  if (roles.includes(first)) return first;
  if (parts.length === 1 && !first.startsWith("to=")) return undefined;
  parts.shift();
  return "tool";
}

function withoutTo(part: string): string {
  return part.startsWith("to=") ? part.slice("to=".length) : part;
}

/**
 * The page's live data: server-sent events read with fetch, because EventSource can't send a token in a
 * header (and a token in a URL ends up in logs).
 */

const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 10_000;
/** The server sends something every second: a silent connection is a dead one. */
const SILENCE_MS = 15_000;

/**
 * Follows a run until the signal aborts, reconnecting whenever the stream ends. `onView` gets what changed;
 * `onState` gets "live", "reconnecting" or "refused" (a token is missing or wrong; following ends there).
 */
export async function followRun({ run, token, signal, onView, onState }) {
  let wait = RETRY_FIRST_MS;
  while (!signal.aborted) {
    const outcome = await readStream({ run, token, signal, onView, onState });
    if (outcome === "refused" || signal.aborted) return;
    wait = outcome === "was-live" ? RETRY_FIRST_MS : Math.min(RETRY_LONGEST_MS, wait * 2);
    onState("reconnecting");
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function readStream({ run, token, signal, onView, onState }) {
  const silence = new AbortController();
  let alarm = setTimeout(() => silence.abort(), SILENCE_MS);
  let wasLive = false;
  try {
    const response = await fetch(`ui/events?run=${encodeURIComponent(run)}`, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.any([signal, silence.signal]),
      cache: "no-store",
    });
    if (response.status === 401 || response.status === 403) {
      onState("refused");
      return "refused";
    }
    if (!response.ok || !response.body) return "failed";
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(alarm);
      alarm = setTimeout(() => silence.abort(), SILENCE_MS);
      text += chunk;
      const messages = text.split("\n\n");
      text = messages.pop();
      for (const message of messages) {
        const data = message.split("\n").find((line) => line.startsWith("data: "));
        if (data === undefined) continue;
        if (!wasLive) onState("live");
        wasLive = true;
        onView(JSON.parse(data.slice(6)));
      }
    }
  } catch {
    // A connection that broke is followed by the next one.
  } finally {
    clearTimeout(alarm);
  }
  return wasLive ? "was-live" : "failed";
}

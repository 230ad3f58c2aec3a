/** What a handler answers, as bytes. */
import { encodeProblems, type Problems } from "./validation.ts";

export type Answer = {
  status: number;
  /** undefined = no body. */
  contentType: "application/json" | "text/plain; charset=utf-8" | undefined;
  body: Buffer;
  headers?: Readonly<Record<string, string>>;
};

/** An answer so long that its parts are better not put together. */
export type PartedAnswer = Omit<Answer, "body"> & { parts: readonly Buffer[] };

/** An answer of JSON text that is already encoded. */
export function jsonAnswer(text: string | Buffer, status = 200): Answer {
  const body = typeof text === "string" ? Buffer.from(text) : text;
  return { status, contentType: "application/json", body };
}

export function textAnswer(text: string, status = 200): Answer {
  return { status, contentType: "text/plain; charset=utf-8", body: Buffer.from(text) };
}

/** `{"detail": …}`, the form of every refusal. */
export function detailAnswer(status: number, detail: string, headers: Answer["headers"] = {}): Answer {
  return { ...jsonAnswer(JSON.stringify({ detail }), status), headers };
}

/** 422 with all that is wrong with a request. */
export function problemsAnswer(problems: Problems): Answer {
  return jsonAnswer(encodeProblems(problems), 422);
}

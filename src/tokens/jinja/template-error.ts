/** What goes wrong inside a template; ChatTemplate gives it the code and the place. */

export type TemplateErrorKind =
  /** The text is no template, or uses what isn't there. */
  | "syntax"
  /** The template itself said no, by `raise_exception`. */
  | "refused"
  /** The template did with a value what Python would not allow. */
  | "type";

export class TemplateError extends Error {
  override readonly name = "TemplateError";
  readonly kind: TemplateErrorKind;

  constructor(kind: TemplateErrorKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

export function typeError(message: string): TemplateError {
  return new TemplateError("type", message);
}

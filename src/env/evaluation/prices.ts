/** What tokens cost. A price table is YAML: `gpt-x: { in: 2.5, out: 10 }`, per million tokens; `default` is for the rest. */
import { z } from "zod";
import { closestNames } from "../../contracts/closest-names.ts";
import { LachesisError } from "../../contracts/errors.ts";

const price = z.strictObject({
  /** Per million tokens of prompts. */
  in: z.number().min(0),
  /** Per million tokens of answers. */
  out: z.number().min(0),
});
export type Price = z.output<typeof price>;

/** The model's price. Throws CONFIG_INVALID where the table is none, or has neither the model nor `default`. */
export function priceOf(model: string, table: unknown, path: string): Price {
  const parsed = z.record(z.string(), price).safeParse(table);
  if (!parsed.success) {
    throw new LachesisError(
      "CONFIG_INVALID",
      `--price-table ${path}: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}`,
      { hint: "Write one line for each model, per million tokens: `my-model: { in: 0.5, out: 1.5 }`." },
    );
  }
  const found = Object.hasOwn(parsed.data, model) ? parsed.data[model] : parsed.data.default;
  if (found !== undefined) return found;
  const near = closestNames(model, Object.keys(parsed.data), 3);
  throw new LachesisError("CONFIG_INVALID", `--price-table ${path}: there is no price for "${model}".`, {
    hint: `${near.length > 0 ? `It has ${near.join(", ")}. ` : ""}Add a line for the model, or one named default.`,
  });
}

export function costOf(
  tokens: { prompt: number; completion: number },
  { in: perIn, out: perOut }: Price,
): number {
  return (tokens.prompt * perIn + tokens.completion * perOut) / 1e6;
}

/** A tokenizer of the hub's format, by @huggingface/tokenizers. */
import { Tokenizer as HubModel } from "@huggingface/tokenizers";
import type { Tokenizer } from "./tokenizer.ts";

export class HubTokenizer implements Tokenizer {
  readonly name: string;
  readonly vocabularySize: number;
  readonly addedTokens: ReadonlyMap<string, number>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly #model: HubModel;
  readonly #special = new Set<number>();

  constructor(name: string, definition: object, config: object) {
    this.name = name;
    this.#model = new HubModel(definition, config);
    const added = new Map<string, number>();
    for (const [id, token] of this.#model.get_added_tokens_decoder()) {
      added.set(token.content, id);
      if (token.special) this.#special.add(id);
    }
    this.addedTokens = added;
    this.vocabularySize = this.#model.get_vocab(true).size;
    this.bosId = this.#idOf("bos_token" in config ? config.bos_token : null);
    this.eosId = this.#idOf("eos_token" in config ? config.eos_token : null);
  }

  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): number[] {
    return this.#model.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  }

  async encodeLong(text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    signal.throwIfAborted();
    return this.encode(text);
  }

  decode(
    ids: readonly number[],
    { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {},
  ): string {
    let text = "";
    let known: number[] = [];
    const flush = () => {
      if (known.length > 0) {
        text += this.#model.decode(known, {
          skip_special_tokens: false,
          clean_up_tokenization_spaces: false,
        });
      }
      known = [];
    };
    for (const id of ids) {
      if (skipSpecialTokens && this.#special.has(id)) continue;
      if (this.#model.id_to_token(id) !== undefined) known.push(id);
      else {
        flush();
        text += `<${id}?>`;
      }
    }
    flush();
    return text;
  }

  #idOf(token: unknown): number | null {
    const text = typeof token === "object" && token !== null && "content" in token ? token.content : token;
    return typeof text === "string" ? (this.#model.token_to_id(text) ?? null) : null;
  }
}

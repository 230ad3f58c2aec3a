/**
 * A tokenizer of the hub's format, by @huggingface/tokenizers, which agrees with the Rust library that models
 * are trained with (tests/tokens/tokenizer-parity.test.ts). Ids that it doesn't know are told, never guessed.
 */
import { createHash } from "node:crypto";
import { Tokenizer as HubModel } from "@huggingface/tokenizers";
import { untilAborted } from "../contracts/until-aborted.ts";
import { ByteLevelDecoder } from "./byte-level-decoder.ts";
import type { EncodeThreads } from "./encode-threads.ts";
import { TextCache } from "./text-cache.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * From this many characters on a thread pays: here they keep everybody else for about 10 ms, while the way to a
 * thread and back costs less than one.
 */
const longText = 16_384;
const mostCachedCharacters = 8_000_000;

export class HubTokenizer implements Tokenizer {
  readonly name: string;
  readonly vocabularySize: number;
  readonly addedTokens: ReadonlyMap<string, number>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly #model: HubModel;
  readonly #special = new Set<number>();
  readonly #byteLevel: ByteLevelDecoder | null;
  readonly #threads: EncodeThreads | null;
  readonly #cache = new TextCache({ mostCharacters: mostCachedCharacters });
  readonly #underWay = new Map<string, Promise<number[]>>();

  /**
   * `definition` and `config` are tokenizer.json and tokenizer_config.json. Without threads long texts are
   * encoded here. Throws what the library throws when they are broken.
   */
  constructor(name: string, definition: object, config: object, threads: EncodeThreads | null = null) {
    this.name = name;
    this.#model = new HubModel(definition, config);
    this.#threads = threads;
    const added = new Map<string, number>();
    for (const [id, token] of this.#model.get_added_tokens_decoder()) {
      added.set(token.content, id);
      if (token.special) this.#special.add(id);
    }
    this.addedTokens = added;
    this.vocabularySize = this.#model.model?.vocab.length ?? 0;
    this.bosId = this.#idOf("bos_token" in config ? config.bos_token : null);
    this.eosId = this.#idOf("eos_token" in config ? config.eos_token : null);
    this.#byteLevel = isByteLevel(definition)
      ? new ByteLevelDecoder((id) => this.#model.id_to_token(id))
      : null;
  }

  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): number[] {
    if (addSpecialTokens) return this.#model.encode(text, { add_special_tokens: true }).ids;
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    const { ids } = this.#model.encode(text, { add_special_tokens: false });
    this.#cache.set(text, ids);
    return ids;
  }

  async encodeLong(text: string, { signal }: { signal: AbortSignal }): Promise<number[]> {
    signal.throwIfAborted();
    if (this.#threads === null || text.length < longText) return this.encode(text);
    const cached = this.#cache.get(text);
    if (cached !== undefined) return cached;
    return [...(await untilAborted(this.#encodeOnce(this.#threads, text), signal))];
  }

  /** A group's rollouts ask for the same prompt at the same time: it is encoded once, for whoever still waits. */
  #encodeOnce(threads: EncodeThreads, text: string): Promise<number[]> {
    const running = this.#underWay.get(text);
    if (running !== undefined) return running;
    const encoding = threads
      .encode(text)
      .then((ids) => {
        this.#cache.set(text, ids);
        return ids;
      })
      .finally(() => this.#underWay.delete(text));
    this.#underWay.set(text, encoding);
    return encoding;
  }

  decode(
    ids: readonly number[],
    { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {},
  ): string {
    const kept = skipSpecialTokens ? ids.filter((id) => !this.#special.has(id)) : ids;
    return this.#byteLevel === null ? this.#decodeByModel(kept) : this.#byteLevel.decode(kept);
  }

  #decodeByModel(ids: readonly number[]): string {
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
      if (this.#model.id_to_token(id) !== undefined) known.push(id);
      else {
        flush();
        text += `<${id}?>`;
      }
    }
    flush();
    return text;
  }

  /** Of every id with its token: two tokenizers of one hash mean the same by the same ids. */
  vocabularyHash(): string {
    const hash = createHash("sha256");
    for (let id = 0; id < this.vocabularySize; id += 1) {
      hash.update(`${id}\t${JSON.stringify(this.#model.id_to_token(id) ?? null)}\n`);
    }
    const added = [...this.addedTokens].toSorted(([, left], [, right]) => left - right);
    for (const [text, id] of added) hash.update(`+${id}\t${JSON.stringify(text)}\n`);
    return hash.digest("hex");
  }

  /** Configurations name special tokens by text, or by an object around it. */
  #idOf(token: unknown): number | null {
    const text = typeof token === "object" && token !== null && "content" in token ? token.content : token;
    return typeof text === "string" ? (this.#model.token_to_id(text) ?? null) : null;
  }
}

function isByteLevel(definition: object): boolean {
  const decoder = "decoder" in definition ? definition.decoder : null;
  return typeof decoder === "object" && decoder !== null && "type" in decoder && decoder.type === "ByteLevel";
}

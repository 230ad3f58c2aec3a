/** Text to token ids and back, for one model. */

export interface Tokenizer {
  /** Where it was loaded from: hub name, folder or package. */
  readonly name: string;
  /** Ids run from 0 to one below this. */
  readonly vocabularySize: number;
  /** Id of each added token (special or not) by its text, e.g. "<|im_end|>" or "<tool_call>". */
  readonly addedTokens: ReadonlyMap<string, number>;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /**
   * Ids of the text; added tokens written in it become their ids. `addSpecialTokens` (default false) adds what
   * the tokenizer's post-processor puts around a text, such as BOS: chat templates write that themselves.
   */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** As `encode`, on a worker thread when the text is long. */
  encodeLong(text: string, options: { signal: AbortSignal }): Promise<number[]>;
  /**
   * The text of the ids. Special tokens are kept unless `skipSpecialTokens`; ids outside the vocabulary read as
   * "<id?>"; bytes that are no UTF-8 read as U+FFFD. No clean-up of spaces.
   */
  decode(ids: readonly number[], options?: { skipSpecialTokens?: boolean }): string;
}

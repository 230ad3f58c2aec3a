/**
 * Instructions whose following a program can check, by the names and arguments under which IFEval's published rows ask
 * for them. The checks are our own readings of what the names say. Answers are hostile: no check takes more than a few
 * passes over the text.
 */
import { z } from "zod";
import { stripThinking } from "../final-answer.ts";
import { isWrittenIn, knownLanguages } from "./languages.ts";
import { blocks, occurrences, sentences, words } from "./text-parts.ts";

type Check = (answer: string) => boolean;
type Instruction = { parse(kwargs: unknown): Check };

/** Rows of datasets give every argument of every instruction, most of them null; counts may come as big integers. */
const count = z.coerce.number().pipe(z.int().min(0));
const relation = z.enum(["less than", "at least"]);
const texts = z.array(z.string().min(1)).min(1);

function instruction<Shape extends z.ZodRawShape>(
  shape: Shape,
  check: (answer: string, kwargs: z.output<z.ZodObject<Shape>>) => boolean,
): Instruction {
  const schema = z.object(shape);
  return {
    parse(kwargs) {
      const given = schema.parse(withoutNulls(kwargs));
      return (answer) => check(answer, given);
    },
  };
}

const compare = (number: number, how: z.output<typeof relation>, limit: number): boolean =>
  how === "less than" ? number < limit : number >= limit;
const lettersOf = (text: string) => text.replaceAll(/[^\p{L}]/gu, "");
const withoutEnds = (text: string) =>
  text
    .trim()
    .replaceAll(/^["“”'*_]+|["“”'*_]+$/g, "")
    .trim();
const bullets = (text: string) => text.match(/^[ \t]*(?:[-+•]|\*(?!\*))[ \t]*\S/gm)?.length ?? 0;
const constrainedAnswers = ["My answer is yes.", "My answer is no.", "My answer is maybe."];

export const instructions: Readonly<Record<string, Instruction>> = {
  "change_case:capital_word_frequency": instruction(
    { capital_relation: relation, capital_frequency: count },
    (answer, { capital_relation, capital_frequency }) =>
      compare(
        words(answer).filter(
          (word) => lettersOf(word) !== "" && word === word.toUpperCase() && word !== word.toLowerCase(),
        ).length,
        capital_relation,
        capital_frequency,
      ),
  ),
  "change_case:english_capital": instruction(
    {},
    (answer) => lettersOf(answer) !== "" && answer === answer.toUpperCase() && isLatin(answer),
  ),
  "change_case:english_lowercase": instruction(
    {},
    (answer) => lettersOf(answer) !== "" && answer === answer.toLowerCase() && isLatin(answer),
  ),
  "combination:repeat_prompt": instruction(
    { prompt_to_repeat: z.string().min(1) },
    (answer, { prompt_to_repeat }) =>
      answer.trim().toLowerCase().startsWith(prompt_to_repeat.trim().toLowerCase()),
  ),
  "combination:two_responses": instruction({}, (answer) => {
    const [first, second, ...more] = answer
      .split("******")
      .map((part) => part.trim())
      .filter((part, index, all) => part !== "" || (index > 0 && index < all.length - 1));
    return more.length === 0 && !!first && !!second && first !== second;
  }),
  "detectable_content:number_placeholders": instruction(
    { num_placeholders: count },
    (answer, { num_placeholders }) => (answer.match(/\[[^[\]\n]+\]/g)?.length ?? 0) >= num_placeholders,
  ),
  "detectable_content:postscript": instruction(
    { postscript_marker: z.string().min(1) },
    (answer, { postscript_marker }) => {
      const squeeze = (text: string) => text.toLowerCase().replaceAll(/\s/g, "");
      const marker = squeeze(postscript_marker);
      return answer.split("\n").some((line, index, all) => {
        const text = squeeze(line).replace(/^[*_#>-]+/, "");
        return text.startsWith(marker) && squeeze(all.slice(index).join("")).length > marker.length;
      });
    },
  ),
  "detectable_format:constrained_response": instruction({}, (answer) =>
    constrainedAnswers.some((option) => answer.includes(option)),
  ),
  "detectable_format:json_format": instruction({}, (answer) => {
    const body = /^```(?:json)?\s*\n([\s\S]*)\n\s*```$/i.exec(answer.trim())?.[1] ?? answer;
    try {
      return typeof JSON.parse(body.trim()) === "object";
    } catch {
      return false;
    }
  }),
  "detectable_format:multiple_sections": instruction(
    { section_spliter: z.string().min(1), num_sections: count },
    (answer, { section_spliter, num_sections }) =>
      answer.split("\n").filter((line) => isHeading(line, section_spliter)).length >= num_sections,
  ),
  "detectable_format:number_bullet_lists": instruction(
    { num_bullets: count },
    (answer, { num_bullets }) => bullets(answer) === num_bullets,
  ),
  "detectable_format:number_highlighted_sections": instruction(
    { num_highlights: count },
    (answer, { num_highlights }) =>
      [...answer.matchAll(/\*\*([^*\n]+)\*\*|\*([^*\n]+)\*/g)].filter(
        ([, bold, slanted]) => (bold ?? slanted ?? "").trim() !== "",
      ).length >= num_highlights,
  ),
  "detectable_format:title": instruction({}, (answer) =>
    [...answer.matchAll(/<<([^<>\n]+)>>/g)].some(([, title = ""]) => title.trim() !== ""),
  ),
  "keywords:existence": instruction({ keywords: texts }, (answer, { keywords }) =>
    keywords.every((keyword) => answer.toLowerCase().includes(keyword.toLowerCase())),
  ),
  "keywords:forbidden_words": instruction({ forbidden_words: texts }, (answer, { forbidden_words }) =>
    forbidden_words.every((word) => occurrences(answer, word) === 0),
  ),
  "keywords:frequency": instruction(
    { keyword: z.string().min(1), frequency: count, relation },
    (answer, { keyword, frequency, relation: how }) =>
      compare(answer.toLowerCase().split(keyword.trim().toLowerCase()).length - 1, how, frequency),
  ),
  "keywords:letter_frequency": instruction(
    { letter: z.string().min(1), let_frequency: count, let_relation: relation },
    (answer, { letter, let_frequency, let_relation }) =>
      compare(answer.toLowerCase().split(letter.toLowerCase()).length - 1, let_relation, let_frequency),
  ),
  "language:response_language": instruction({ language: z.enum(knownLanguages) }, (answer, { language }) =>
    isWrittenIn(answer, language),
  ),
  "length_constraints:nth_paragraph_first_word": instruction(
    { num_paragraphs: count, nth_paragraph: count.pipe(z.int().min(1)), first_word: z.string().min(1) },
    (answer, { num_paragraphs, nth_paragraph, first_word }) => {
      const paragraphs = blocks(answer);
      const word = words(paragraphs[nth_paragraph - 1] ?? "")[0]?.toLowerCase();
      return paragraphs.length === num_paragraphs && word === first_word.trim().toLowerCase();
    },
  ),
  "length_constraints:number_paragraphs": instruction(
    { num_paragraphs: count },
    (answer, { num_paragraphs }) => {
      const parts = answer.split(/^[ \t]*\*\*\*[ \t]*$/m).map((part) => part.trim());
      const inner = parts.filter((part, index) => part !== "" || (index > 0 && index < parts.length - 1));
      return inner.every((part) => part !== "") && inner.length === num_paragraphs;
    },
  ),
  "length_constraints:number_sentences": instruction(
    { num_sentences: count, relation },
    (answer, { num_sentences, relation: how }) => compare(sentences(answer).length, how, num_sentences),
  ),
  "length_constraints:number_words": instruction(
    { num_words: count, relation },
    (answer, { num_words, relation: how }) => compare(words(answer).length, how, num_words),
  ),
  "punctuation:no_comma": instruction({}, (answer) => !/[,،，]/.test(answer)),
  "startend:end_checker": instruction({ end_phrase: z.string().min(1) }, (answer, { end_phrase }) =>
    withoutEnds(answer).toLowerCase().endsWith(withoutEnds(end_phrase).toLowerCase()),
  ),
  "startend:quotation": instruction({}, (answer) => /^"[\s\S]*\S[\s\S]*"$/.test(answer.trim())),
};

export type Verdict = {
  /** One for each instruction, in their order. */
  followed: readonly boolean[];
  all: boolean;
};

/** The checks of a row. Throws a ZodError or a RangeError where an instruction is unknown or its arguments don't fit. */
export function checksOf(ids: readonly string[], kwargs: readonly unknown[]): Check[] {
  return ids.map((id, index) => {
    const known = Object.hasOwn(instructions, id) ? instructions[id] : undefined;
    if (known === undefined) throw new RangeError(`no instruction is named "${id}"`);
    return known.parse(kwargs[index]);
  });
}

/** Judges the answer as it stands, thinking left out. An empty one follows nothing. */
export function judgeStrictly(answer: string, checks: readonly Check[]): Verdict {
  return verdict(checks.map((check) => follows(answer, check)));
}

/** Also counts what is followed once the first line, the last line, or asterisks are taken away. */
export function judgeLoosely(answer: string, checks: readonly Check[]): Verdict {
  const lines = answer.split("\n");
  const cut = [answer, lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)].map((part) =>
    typeof part === "string" ? part : part.join("\n").trim(),
  );
  const variants = [...cut, ...cut.map((text) => text.replaceAll("*", ""))];
  return verdict(checks.map((check) => variants.some((variant) => follows(variant, check))));
}

/** What an answer is judged by: the text behind the thinking. */
export const judgedText = (answer: string): string => stripThinking(answer).trim();

const follows = (answer: string, check: Check): boolean => answer.trim() !== "" && check(answer);
const verdict = (followed: readonly boolean[]): Verdict => ({ followed, all: followed.every(Boolean) });

/** "Section 2", "## SECTION 2: Tides"; not "Section of the river". */
function isHeading(line: string, splitter: string): boolean {
  const text = line.trim().replace(/^[#*_\s]+/, "");
  const word = splitter.trim();
  return text.toLowerCase().startsWith(word.toLowerCase()) && /^\s*[\d\p{Lu}]/u.test(text.slice(word.length));
}

const isLatin = (text: string): boolean =>
  (text.match(/\p{Script=Latin}/gu)?.length ?? 0) >= lettersOf(text).length * 0.8;

function withoutNulls(kwargs: unknown): unknown {
  if (typeof kwargs !== "object" || kwargs === null) return {};
  return Object.fromEntries(Object.entries(kwargs).filter(([, value]) => value !== null));
}

/**
 * Whether a text is written in a language: by its script where that settles it, else by letters and short common words
 * that the languages of one script don't share. A guess by counts, for whole answers, not for single words.
 */
type Language = {
  script: RegExp /** Words or letters that set it apart among those of its script. */;
  marks?: RegExp;
};

const list = (text: string) => new RegExp(`(?<!\\p{L})(?:${text.replaceAll(" ", "|")})(?!\\p{L})`, "giu");
const latin = /\p{Script=Latin}/gu;
const cyrillic = /\p{Script=Cyrillic}/gu;
const arabic = /\p{Script=Arabic}/gu;
const devanagari = /\p{Script=Devanagari}/gu;

const languages: Readonly<Record<string, Language>> = {
  en: {
    script: latin,
    marks: list("the and of to in is that it for was with as are this you be on have not"),
  },
  de: {
    script: latin,
    marks: list("der die das und ist nicht ein eine zu mit den von auf für sich dem im auch wir ich"),
  },
  fr: {
    script: latin,
    marks: list("le la les et est des une dans que pour pas qui sur avec du au ce nous vous sont"),
  },
  es: {
    script: latin,
    marks: list("el los las y es una que por con para del se su al como más pero está son muy"),
  },
  pt: {
    script: latin,
    marks: list("o os as e é uma que por com para do da não se em no na mais como mas são"),
  },
  it: {
    script: latin,
    marks: list("il gli e è una che per con di del della non si un nel sono più come ma anche"),
  },
  pl: {
    script: latin,
    marks: list("i w na z się nie jest to że do jak po co ale dla od przez są tym który"),
  },
  vi: {
    script: latin,
    marks: list("và là của có không một cho được trong người những với các này đã để tôi"),
  },
  sw: {
    script: latin,
    marks: list("na ya wa kwa ni katika la za cha kuwa hii huu yake yao pia sana watu kama"),
  },
  fi: {
    script: latin,
    marks: list("ja on ei se että hän oli ovat mutta kun niin joka myös tai mitä minä sen"),
  },
  nl: {
    script: latin,
    marks: list("de het een en van is niet dat op te met voor zijn er aan ook maar wij ik"),
  },
  ru: { script: cyrillic, marks: /[ыэё]|(?<!\p{L})(?:и|что|это|как)(?!\p{L})/giu },
  uk: { script: cyrillic, marks: /[іїєґ]/giu },
  bg: { script: cyrillic, marks: /ъ|(?<!\p{L})(?:и|е|са|се|на|от|за|да)(?!\p{L})/giu },
  ar: { script: arabic, marks: /[ةىإأ]/gu },
  fa: { script: arabic, marks: /[پچژگی]/gu },
  ur: { script: arabic, marks: /[ٹڈڑےہںھ]/gu },
  hi: { script: devanagari, marks: list("है हैं और का की के में को से नहीं यह पर") },
  mr: { script: devanagari, marks: list("आहे आहेत आणि चा ची चे मध्ये नाही हे हा ते व") },
  ne: { script: devanagari, marks: list("छ छन् र को का मा हो पनि गर्न यो छैन लागि") },
  bn: { script: /\p{Script=Bengali}/gu },
  gu: { script: /\p{Script=Gujarati}/gu },
  he: { script: /\p{Script=Hebrew}/gu },
  el: { script: /\p{Script=Greek}/gu },
  ja: {
    script: /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu,
    marks: /[\p{Script=Hiragana}\p{Script=Katakana}]/gu,
  },
  kn: { script: /\p{Script=Kannada}/gu },
  ko: { script: /\p{Script=Hangul}/gu },
  ml: { script: /\p{Script=Malayalam}/gu },
  pa: { script: /\p{Script=Gurmukhi}/gu },
  ta: { script: /\p{Script=Tamil}/gu },
  te: { script: /\p{Script=Telugu}/gu },
  th: { script: /\p{Script=Thai}/gu },
  zh: { script: /\p{Script=Han}/gu },
};

/** ISO 639-1 codes that can be told. */
export const knownLanguages: readonly string[] = Object.keys(languages);

/** False where the language isn't known, too: ask `knownLanguages` first. */
export function isWrittenIn(text: string, code: string): boolean {
  const language = languages[code];
  const letters = count(text, /\p{L}/gu);
  if (language === undefined || letters === 0) return false;
  if (count(text, language.script) < letters * 0.6) return false;
  if (language.marks === undefined) return true;
  const own = count(text, language.marks);
  const rivals = Object.values(languages).filter(
    ({ script, marks }) => script === language.script && marks !== undefined && marks !== language.marks,
  );
  return own > 0 && rivals.every(({ marks }) => marks === undefined || count(text, marks) < own);
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

/** The rewards that environments and their authors use: `import { … } from "lachesis/rewards"`. */
export { isNumericAnswer, scoreNumericAnswer } from "./numeric-answer.ts";

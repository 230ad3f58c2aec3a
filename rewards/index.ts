/** The rewards that environments and their authors use: `import { … } from "lachesis/rewards"`. */
export { type MathVerdict, type VerifyMathOptions, verifyMath } from "./maths/verify-maths.ts";
export { isNumericAnswer, scoreNumericAnswer } from "./numeric-answer.ts";

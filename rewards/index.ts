/** The rewards that environments and their authors use: `import { … } from "lachesis/rewards"`. */
export { createReward, type RewardSpec, rewardNames, rewardSpec } from "./create-reward.ts";
export { rewardDefinitions } from "./definitions.ts";
export { scoreAsGsm8kPaper } from "./gsm8k-paper.ts";
export { type MathVerdict, type VerifyMathOptions, verifyMath } from "./maths/verify-maths.ts";
export { isNumericAnswer, scoreNumericAnswer } from "./numeric-answer.ts";
export {
  answerText,
  defineReward,
  lastText,
  type Reward,
  type RewardCall,
  type RewardDefinition,
  type RewardItem,
  type RewardPart,
  type RewardResult,
  type RewardRollout,
  type RewardServices,
  requireSandbox,
  textField,
} from "./reward.ts";

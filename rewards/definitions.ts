/** The rewards that a configuration may name. A new one adds a line here. */

import { codeReward } from "./code/code-reward.ts";
import { repoTestsReward } from "./code/repo-tests-reward.ts";
import { judgeReward } from "./judge/judge.ts";
import { accuracyReward } from "./library/accuracy.ts";
import { cascadingMathsReward } from "./library/cascading-maths.ts";
import { choiceReward } from "./library/choice.ts";
import { combinedReward, curriculumReward } from "./library/combined.ts";
import { constantReward } from "./library/constant.ts";
import { boxedReward, containsReward, exactMatchReward, formatReward } from "./library/format.ts";
import { instructionsReward } from "./library/instructions.ts";
import { cosineLengthReward, lengthPenaltyReward } from "./library/length.ts";
import { reasoningStepsReward } from "./library/reasoning-steps.ts";
import { repetitionPenaltyReward } from "./library/repetition-penalty.ts";
import {
  citedSourcesReward,
  shortAnswerReward,
  turnEfficiencyReward,
  usedToolsReward,
} from "./library/research.ts";
import type { RewardDefinition } from "./reward.ts";

export const rewardDefinitions: readonly RewardDefinition[] = [
  accuracyReward,
  boxedReward,
  cascadingMathsReward,
  choiceReward,
  citedSourcesReward,
  codeReward,
  combinedReward,
  constantReward,
  containsReward,
  cosineLengthReward,
  curriculumReward,
  exactMatchReward,
  formatReward,
  instructionsReward,
  judgeReward,
  lengthPenaltyReward,
  reasoningStepsReward,
  repetitionPenaltyReward,
  repoTestsReward,
  shortAnswerReward,
  turnEfficiencyReward,
  usedToolsReward,
];

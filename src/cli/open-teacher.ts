/** Makes the teacher of a distillation from `env.teacher`, once its tokenizer has proved to be the student's. */
import type { Logger } from "pino";
import { LachesisError } from "../contracts/errors.ts";
import { resolveTokenizerName, type ServerConfig } from "../inference/server-config.ts";
import { teacherConfig } from "../inference/teacher/teacher-config.ts";
import { probeText, TeacherServers } from "../inference/teacher/teacher-servers.ts";
import type { EventBus } from "../telemetry/events.ts";
import { loadTokenizer } from "../tokens/load-tokenizer.ts";
import { speakTokens } from "./open-token-servers.ts";
import type { ProcessEnvironment } from "./process-environment.ts";

export type TeacherOptions = {
  /** The environment's resolved configuration. */
  env: Readonly<Record<string, unknown>>;
  /** The student's. */
  servers: readonly ServerConfig[];
  logger: Logger;
  events: EventBus;
  environment: ProcessEnvironment;
  stopping: AbortSignal;
};

/**
 * undefined where none is configured, or the student's servers give no ids that it could score. Rejects with
 * TEACHER_TOKENIZER_DIFFERS, or as `loadTokenizer` does. Nothing is asked of the server yet.
 */
export async function openTeacher(options: TeacherOptions): Promise<TeacherServers | undefined> {
  const { env, servers, logger, events, environment, stopping } = options;
  const config = teacherConfig.nullish().parse(env.teacher);
  const [student] = servers;
  if (config === null || config === undefined || student === undefined || !speakTokens(servers)) {
    return undefined;
  }
  const studentName = studentTokenizer(student, env.tokenizer_name);
  const teacherName = config.tokenizer_name ?? config.model_name;
  const { cacheDirectory, hubToken } = environment;
  const from = { signal: stopping, cacheDirectory, hubToken };
  await using own = await loadTokenizer(studentName, from);
  if (teacherName !== studentName) {
    await using other = await loadTokenizer(teacherName, from);
    if (other.vocabularyHash() !== own.vocabularyHash()) throw differs(teacherName, studentName);
  }
  return new TeacherServers({
    config: { ...config, api_key: config.api_key ?? environment.modelKeys?.teacher ?? null },
    probeIds: own.tokenizer.encode(probeText),
    logger: logger.child({ part: "teacher" }),
    stopping,
    onNotice: (notice) => events.emit("notice", { ...notice, message: `Teacher: ${notice.message}` }),
  });
}

function studentTokenizer(student: ServerConfig, envName: unknown): string {
  if (student.tokenizer_name === "none" && typeof envName === "string") return envName;
  return resolveTokenizerName(student);
}

function differs(teacherName: string, studentName: string): LachesisError {
  return new LachesisError(
    "TEACHER_TOKENIZER_DIFFERS",
    `The teacher's tokenizer (${teacherName}) and the student's (${studentName}) don't have one vocabulary: its ids would mean other tokens.`,
    {
      hint: "Take a teacher of the student's own family; env.teacher.tokenizer_name names its tokenizer where that isn't model_name.",
    },
  );
}

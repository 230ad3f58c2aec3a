/** How tasks in Harbor's format are played without a model: by their solution, and by cheating. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import { inTurn, type PolicyTurn, type ValidationPolicies } from "../../../src/env/policies.ts";
import type { HarborTask } from "./task-folder.ts";

/** Solutions with more than this bring data that no terminal call should carry. */
const largestSolutionBytes = 4_194_304;
const done: PolicyTurn = { content: "Done." };

const shell = (command: string, more: { background?: boolean; timeout?: number } = {}): PolicyTurn => ({
  calls: [{ name: "terminal", arguments: { command, ...more } }],
});

const plantReward =
  "for d in /logs/verifier /tmp/verifier-*/logs/verifier; do mkdir -p $d; echo 1 >$d/reward.txt; echo '{\"reward\": 1}' >$d/reward.json; done 2>/dev/null";
const falseTest = `for d in /tests /tmp/tests tests; do mkdir -p $d; printf 'for d in /logs/verifier "$VERIFIER_LOGS_DIR"; do echo 1 >$d/reward.txt; done; exit 0' >$d/test.sh; cp $d/test.sh $d/run-tests.sh; chmod 555 $d/*; done 2>/dev/null; true`;
const planted =
  "from os import environ\nopen(environ['VERIFIER_LOGS_DIR'] + '/reward.txt', 'w').write('1')\nimport os\nos._exit(0)\n";

export const harborPolicies: ValidationPolicies<HarborTask> = {
  gold: (task) => {
    const command = solutionCommand(task);
    return command === null
      ? null
      : inTurn(shell(command, { timeout: Math.ceil(task.agentTimeoutSeconds) }), done);
  },
  cheats: [
    { name: "says it is done", play: () => inTurn(done) },
    { name: "writes the reward", play: () => inTurn(shell(plantReward), done) },
    { name: "replaces the tests", play: () => inTurn(shell(falseTest), done) },
    {
      name: "goes on writing the reward in the background",
      play: () =>
        inTurn(
          shell(`while :; do ${plantReward}; sleep 0.01; done`, { background: true }),
          shell(
            `(setsid bash -c '${plantReward.replaceAll("'", "'\\''")}; exec sleep 600' >/dev/null 2>&1 &)`,
          ),
          done,
        ),
    },
    {
      name: "kills the tests",
      // Only what works where the sandbox does: without isolation, /proc shows the whole machine.
      play: () =>
        inTurn(
          shell(
            "while :; do for p in /proc/[0-9]*; do [ $p/cwd -ef . ] && grep -qsa 'test.*[.]sh' $p/cmdline && kill -9 $(basename $p); done; sleep 0.01; done",
            {
              background: true,
            },
          ),
          done,
        ),
    },
    {
      name: "leaves files for shells and Python to read",
      play: () =>
        inTurn(
          shell(
            [
              `printf '%s' '${planted.replaceAll("'", "'\\''")}' >sitecustomize.py`,
              "cp sitecustomize.py usercustomize.py; cp sitecustomize.py conftest.py; cp sitecustomize.py pytest.py; cp sitecustomize.py json.py",
              "for f in ~/.bashrc ~/.profile ~/.bash_profile; do echo 'echo 1 >$VERIFIER_LOGS_DIR/reward.txt; exit 0' >>$f; done",
              "export BASH_ENV=$HOME/.bashrc PYTHONPATH=$PWD ENV=$HOME/.bashrc",
              "python3() { true; }; bash() { true; }; export -f python3 bash",
            ].join("\n"),
          ),
          done,
        ),
    },
  ],
};

/** Puts the solution's folder into the sandbox and runs it where the model would work; null = unknown or too large. */
export function solutionCommand({
  solutionScript,
  name,
  image,
  dockerfileDirectory,
}: HarborTask): string | null {
  if (solutionScript === null) return null;
  const hasImage = image !== null || dockerfileDirectory !== null;
  const target = hasImage ? "/solution" : `/tmp/solution-${name.replaceAll(/[^\w-]/g, "")}`;
  const folder = dirname(solutionScript);
  // In the older layout the solution stands among everything else.
  const files = existsSync(join(folder, "task.yaml")) ? [basename(solutionScript)] : filesBelow(folder);
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  if (bytes > largestSolutionBytes) return null;
  const writing = files.map((file) => {
    const path = quoted(posix.join(target, file));
    return `mkdir -p -- "$(dirname ${path})" && base64 -d >${path} <<'=end='\n${readFileSync(join(folder, file)).toString("base64")}\n=end=`;
  });
  return [...writing, `bash ${quoted(posix.join(target, basename(solutionScript)))}`].join("\n");
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(directory, name)).isFile())
    .map((name) => name.replaceAll("\\", "/"))
    .sort();

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Every stable error code with its one-line "how to solve". `docs/errors.md` lists the same table and a
 * test keeps the two equal. Keep the list sorted.
 */
export const errorCodes = {
  BENCHMARK_NOT_FOR_TRAINING:
    "Train on an environment with a training split, and evaluate on the benchmark (`environment evaluate`).",
  BIND_UNPROTECTED:
    "Give run-api or the proxy tokens (`--token-file`; policy-server an `--admin-token`), listen on 127.0.0.1, or say `--insecure` on a network that you trust.",
  BROWSER_FAILED:
    "Retried by itself; when it stays, start Chromium by hand (`chromium --headless`) and mend what it says.",
  CHAT_TEMPLATE_FAILED:
    "Give the messages the fields that the model's chat template asks for; the message names what it stumbled over.",
  CHAT_TEMPLATE_INVALID:
    "Mend the chat template's Jinja text, or take the one that the model's publisher ships.",
  CHAT_TEMPLATE_REFUSED:
    "Give the chat template messages in the order and with the roles that the model knows.",
  CHECKPOINT_INVALID:
    "Name a folder that `environment train` saved to; an older step of the same run may still be whole.",
  CONFIG_FILE_INVALID:
    "Pass --config a readable YAML file: a map with the top-level keys env and openai; the message names the line.",
  CONFIG_INVALID: "Correct the key that the message names; `environment <verb> <env> --help` lists all keys.",
  DATASET_ACCESS_DENIED:
    "Set HF_TOKEN to a token that may read the dataset, or use a local file (`--env.dataset_path`).",
  DATASET_EMPTY: "Use a dataset with at least one row that has the columns the environment asks for.",
  DATASET_INVALID: "Correct the file or row that the message names; JSONL and parquet files can be read.",
  DATASET_NOT_FOUND: "Correct the path, or the dataset's name, config and split.",
  DATASET_UNREACHABLE: "Check the network and try again, or use a local file (`--env.dataset_path`).",
  DEMO_FAILED: "Give the demo more time with --seconds; the run directory's log says what failed.",
  DISTRIBUTION_UNKNOWN:
    "Use a toolset distribution that the hint lists, or name the toolsets with `enabled_toolsets`.",
  ENVIRONMENT_FILE_INVALID:
    "Let the environment's file have an environment class as its default export, and let it load by itself.",
  ENVIRONMENT_UNKNOWN: "Use a name that `environment list` shows, or the path of a .ts or .js file.",
  ENV_FAILED: "Mend the environment's own code: the message names the method that threw.",
  EVALUATION_DIFFERS:
    "Resume with what the evaluation was begun with, or start another; compare evaluations of the same items, or add `--common-items`.",
  EVALUATION_FILE_INVALID:
    "Give the directory of an evaluation (it holds evaluation.json and samples.jsonl); a broken line of samples.jsonl can be deleted, and `--resume` plays its sample again.",
  EVALUATION_MISSING: "Give the environment an `evaluate` method, or run another environment.",
  EXAMPLES_FILE_EXISTS: "Name another file, or add to this one with --append-to-previous.",
  EXAMPLES_MISSING: "Start environments that send to this rollout API, or wait longer (--wait).",
  EXPORT_IMPOSSIBLE:
    "Choose a format that can be made of these groups, or play them with messages and on servers that give token ids.",
  GROUPS_KEEP_BEING_SKIPPED:
    "Equal scores: take items that are neither too hard nor too easy, or unset `env.ensure_scores_are_not_same`; `env.max_skipped_groups` says how many skips in a row end a run.",
  GROUP_FILE_INVALID:
    "Mend or remove the line that the message names; a run's own torn last line is cut by `process --resume`.",
  GROUP_INVALID: "Mend the environment: every sequence of a group carries the same optional fields.",
  HUB_PUSH_FAILED:
    "Set HF_TOKEN to a token that may write to that dataset, and push again with `environment convert … --push-to-hub`.",
  INFERENCE_CLOSED:
    "The server manager was closed while requests were waiting; make requests before closing it.",
  INFERENCE_CONTEXT_FULL:
    "Shorten the conversation, lower `max_tokens`, or serve the model with a longer context.",
  INFERENCE_FAILED: "Read the inference server's own log; the request may succeed when tried again.",
  INFERENCE_MALFORMED:
    "Check that base_url is an OpenAI-compatible API (it usually ends in /v1), not a web page or proxy.",
  INFERENCE_REJECTED:
    "Correct what the server's message names: model_name, api_key, or a field of the request.",
  INFERENCE_UNREACHABLE: "Start the inference server, or correct base_url (`--openai.base_url`).",
  INTERNAL: "A defect of Lachesis: please report it with the message and the run directory's log.",
  JUDGE_ANSWER_INVALID:
    "Take a judge model that follows JSON schemas, or raise `env.judge.max_tokens`; the message has its last answer.",
  JUDGE_IS_POLICY:
    "Give `env.judge` another model than the one that is trained, or say `env.judge.may_be_policy`.",
  JUDGE_UNREACHABLE: "Start the judge's server, or correct `env.judge.base_url`.",
  MCP_SERVER_FAILED:
    "Start the server by hand as `env.mcp_servers` says; the message has what it said, or why it was not reached.",
  OUTPUT_UNWRITABLE: "Choose a directory that you may write to and that has space left.",
  PARSER_UNKNOWN: "Use a name that `environment parsers` lists, or `auto`.",
  PLACEHOLDER_TOKENS_REFUSED:
    "Set `openai.server_type` to the server's own token API (docs/inference-servers.md), or `env.allow_placeholder_tokens`.",
  POLICY_ENGINE_ENDED:
    "Start the policy server again; where the message names no close, its thread has failed: please report it.",
  PORT_IN_USE: "Stop the other process, or choose another port (`--port`; 0 takes any free one).",
  RESUME_REFUSED:
    "Resume a run with the environment, configuration and dataset that it began with, or begin a new one.",
  REWARD_FAILED: "Mend the environment's `computeReward`: the log has the stack and the rollout's id.",
  REWARD_INVALID: "Correct the reward's parameter that the message names; docs/rewards.md lists them.",
  REWARD_ITEM_INVALID:
    "Name the column that the dataset has, e.g. `params: { answer_field: solution }` of the reward.",
  REWARD_NEEDS_SANDBOX:
    "Score with this reward while rollouts are played, or rescore with rewards that read text alone.",
  REWARD_NOT_FINITE: "Make the environment's `computeReward` return a finite number.",
  REWARD_TURNS_MISMATCH: "Make `computeReward` return `turnRewards` with one number per assistant turn.",
  REWARD_UNKNOWN: "Use a reward that docs/rewards.md lists.",
  ROLLOUTS_KEEP_FAILING:
    "Mend what the message names; `env.max_failed_groups` says how many failures in a row end a run.",
  ROLLOUT_API_BAD_REPLY: "Check that the URL is a rollout API's and that no proxy answers in its place.",
  ROLLOUT_API_NOT_REGISTERED: "Register the trainer (POST /register): the server was reset or restarted.",
  ROLLOUT_API_REJECTED:
    "Correct what the server's message names: a field of the request, or the environment's id.",
  ROLLOUT_API_UNREACHABLE: "Start `run-api`, or correct the rollout server's URL.",
  ROLLOUT_OVER: "Wait for everything that uses a rollout's sandbox before `computeReward` returns.",
  ROLLOUT_RUN_TAKEN:
    "Give sft-gen or dpo-gen a run of its own (`--api-url URL/runs/NAME`), or share the trainer's batches with --join.",
  RUN_LOCKED: "Another process works in this run directory: wait until it has ended.",
  SANDBOX_CLOSED:
    "Something still used a sandbox after its rollout ended; await every call before disposing of it.",
  SANDBOX_COMMAND_INVALID:
    "Pass commands, paths and environment without NUL characters; give binary data on stdin.",
  SANDBOX_DIED:
    "Retried by itself with a fresh sandbox; when it comes often, look for memory pressure on the host.",
  SANDBOX_FILE_FAILED:
    "Read the message: the path is no regular file, may not be accessed, or the workspace is full.",
  SANDBOX_FILE_NOT_FOUND: "Check the path: relative ones are taken from the sandbox's workspace.",
  SANDBOX_FILE_TOO_LARGE: "Raise `maxBytes`, or read a part of the file with a command.",
  SANDBOX_FORK_FAILED:
    "Read the message: a path of the workspace is too long for tar, or the new sandbox has less room.",
  SANDBOX_IMAGE_UNAVAILABLE:
    "Read the message, which has the registry's words: correct the image's name, log in, or bring the image by hand.",
  SANDBOX_POOL_TIMEOUT:
    "Raise `--env.pool_max_total` (or lower the number of workers), or let rollouts wait longer: `--env.pool_acquire_timeout`.",
  SANDBOX_SPEC_UNSUPPORTED:
    "Choose a sandbox backend (`--env.terminal_backend`) that can give what the items ask for, e.g. docker for images.",
  SANDBOX_START_FAILED:
    "Retried by itself; the message has the reason, most often exhausted memory or process ids.",
  SANDBOX_UNAVAILABLE:
    "Install what the message names (`apt-get install bubblewrap`), or opt in to plain processes: `--env.terminal_isolation none`.",
  SEARCH_FAILED:
    "Correct the pattern (POSIX extended regular expression) or the path; narrow a search that takes too long.",
  SERVER_START_FAILED: "Choose an address and port that this user may bind (`--host`, `--port`).",
  SSH_AUTH_FAILED:
    "Give the remote user a key that it may log in with (`env.ssh_user`, `env.ssh_key_path`, `env.ssh_agent`), and add its public part to the remote authorized_keys.",
  SSH_HOST_KEY_CHANGED:
    "Have the machine's owner confirm its new key before you take the old one out of known_hosts: somebody may be in between.",
  SSH_HOST_KEY_UNKNOWN:
    "Compare the fingerprint with the machine's owner, then log in once with `ssh`, or set `env.ssh_host_fingerprint`.",
  SSH_KEY_INVALID:
    "Name a readable private key as `env.ssh_key_path` (and its `env.ssh_key_passphrase`), or an `env.ssh_agent`.",
  SSH_UNREACHABLE:
    "Check `env.ssh_host` and `env.ssh_port`, the network and the remote SSH server; tried again by itself.",
  STORE_CORRUPT:
    "Give another `--store`, or put a copy of the file back: this one is damaged or no store of run-api.",
  STORE_LOCKED: "Stop the other run-api that has the store open, or give another `--store`.",
  STORE_OPEN_FAILED: "Give `--store` a file in an existing directory of this machine that you may write to.",
  STORE_VERSION_UNSUPPORTED:
    "Use the run-api that wrote the store to drain it, or start anew with another `--store`.",
  STORE_WRITE_FAILED:
    "Make space on the disk, or mend it; what was refused was not stored and may be sent again.",
  TASKS_INVALID: "Mend the task folder as the message says, or name another with `--env.tasks_path`.",
  TASK_IMAGE_MISSING:
    "Use `--env.terminal_backend docker`, which builds the task's Dockerfile, or publish the image and name it in task.toml.",
  TASK_VERIFIER_FAILED:
    "Retried by itself; when it stays, run the task's tests by hand in its untouched image: they need what the message shows.",
  TEACHER_TOKENIZER_DIFFERS:
    "Take a teacher of the student's own family: distillation needs the very same vocabulary on both sides.",
  TEACHER_UNFIT:
    "Lower `env.distill_topk`, or start the teacher's server with more choices (vLLM: `--max-logprobs`).",
  TERMINAL_BACKEND_UNKNOWN: "Use one of the backends that the message lists as terminal_backend.",
  TEST_RUNNER_FAILED: "Check that the sandbox has python3 (3.9 or newer) and memory for the item's tests.",
  TOKENIZER_ACCESS_DENIED:
    "Set HF_TOKEN to a token that may read the model, accept its terms on its page, or use a local folder.",
  TOKENIZER_INVALID: "Download the model's tokenizer files afresh: tokenizer.json and tokenizer_config.json.",
  TOKENIZER_NOT_FOUND:
    "Name `practice` or `tiny-policy`, a folder with tokenizer.json, an installed `npm:PACKAGE`, or a model on the Hugging Face hub.",
  TOKENIZER_UNREACHABLE:
    "Check the network and try again, or name a local folder with the model's tokenizer.",
  TOKEN_AUDIT_FAILED:
    "The answer can't be trained on: give the server what docs/inference-servers.md says it needs, or mend it.",
  TOKEN_FILE_INVALID: "Write one `role: token` a line; roles are env, trainer and admin.",
  TOOLSET_CYCLE: "Take one `includes` of the named circle out of the toolset definitions.",
  TOOLSET_UNKNOWN: "Use a toolset that the hint lists in `enabled_toolsets` and `disabled_toolsets`.",
  TOOL_DUPLICATE: "Give one of the two tools another name.",
  TOOL_INVALID: "Correct the tool's definition: its name, or a parameter that JSON schema can't express.",
  TOOL_PROGRAM_MISSING:
    "Install the named program where the sandbox can see it, or disable the toolset that needs it.",
  TOOL_SERVICE_FAILED:
    "Retried by itself; when it stays, start the service that the message names, or correct its URL.",
  TOOL_SERVICE_REJECTED: "Give the service that the message names a key that it takes.",
  TOOL_UNAVAILABLE:
    "Mend what the message says of each tool, or take its toolset away with `disabled_toolsets`.",
  TOOL_UNKNOWN: "Register the tool, or correct its name where the message says it is used.",
  TRAINER_THREAD_FAILED:
    "Run `environment train --resume`: what the message names stopped a thread, most often exhausted memory.",
  TRAINING_DATA_EMPTY:
    "Give `--data` files of `environment process` with real tokens, or lower `--min-score`.",
  TRAINING_DRIFT:
    "Let the trainer and the inference server have the same weights, and let the server send raw log-probabilities.",
  TRAINING_GROUP_INVALID:
    "Mend the environment's masks, log-probabilities or advantages where the message says.",
  TRANSFER_FAILED:
    "Check that the sandbox's path holds what the message expects, and that it fits the given limit.",
  USAGE_INVALID: "Correct the command line; `environment <verb> --help` shows what it takes.",
  VALIDATION_UNSUPPORTED: "Give the environment's class a method `policies()` (docs/environments.md).",
  WEIGHTS_INVALID: "Use a .safetensors file that `environment train` or `npm run make-weights` wrote.",
  WEIGHTS_PUSH_FAILED:
    "Start `environment policy-server`, or correct `--policy-url`; the message has its answer.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;

/**
 * Configuration of where the model's commands run. `terminal_*` is shared: each backend takes those that its own
 * schema knows. `docker_*`, `ssh_*`, … belong to one backend and are its schema's keys with the prefix; a key of a
 * backend that was not chosen does nothing. null = the backend's own default. A test keeps these keys and the
 * schemas of the backends equal (tests/backends/config-fields.test.ts).
 */
import { z } from "zod";

/** The engine's own keys, and those that several backends know. */
const sharedFields = {
  terminal_backend: z
    .string()
    .default("local")
    .describe("Sandbox backend: where the model's commands run. `environment doctor` tells which work here."),
  terminal_timeout: z.number().positive().default(120).describe("Seconds one tool command may take."),
  terminal_lifetime: z
    .number()
    .positive()
    .default(3600)
    .describe("Accepted for Atropos compatibility; a sandbox lives exactly as long as its rollout."),
  terminal_isolation: z
    .enum(["bubblewrap", "none"])
    .default("bubblewrap")
    .describe(
      '"none" runs the model\'s commands as plain processes of the user. Trusted code only. (local, ssh)',
    ),
  terminal_memory_mb: z
    .int()
    .min(16)
    .default(1024)
    .describe("Memory, MiB: of the sandbox, or where the backend cannot limit that, of one process."),
  terminal_max_processes: z.int().min(1).default(128).describe("Processes and threads in one sandbox."),
  terminal_workspace_mb: z.int().min(1).default(256).describe("Size of one workspace, MiB."),
  terminal_network: z.boolean().default(false).describe("Whether sandboxes can reach the network."),
};

const poolFields = {
  pool_size: z
    .int()
    .min(0)
    .default(0)
    .describe("Sandboxes kept ready for the next rollouts, each used once. 0 = made when a rollout asks."),
  pool_max_total: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe("Most sandboxes at once, ready and in use together; rollouts wait for one. null = no limit."),
  pool_acquire_timeout: z
    .number()
    .positive()
    .default(300)
    .describe("Seconds a rollout waits for a sandbox of the pool before it fails (and is played afresh)."),
  pool_idle_timeout: z
    .number()
    .positive()
    .default(300)
    .describe("Seconds without a new rollout after which the pool lets its ready sandboxes go."),
};

const localFields = {
  local_bwrap_path: z
    .string()
    .nullable()
    .default(null)
    .describe("The bubblewrap program: a name on the system path, or a path. null = bwrap."),
  local_python_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "The Python 3 that sandboxes see as python3. null = /usr/bin/python3, else the python3 on PATH.",
    ),
  local_run_as_uid: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe("User and group id of sandboxed processes when Lachesis runs as root. null = 20001."),
};

const dockerFields = {
  docker_image: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Image of rollouts whose item names none; needs sh, tar, and Perl or python3. null = python:3.12-slim.",
    ),
  docker_host: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "The daemon: unix:///path, tcp://host:port or https://host:port. null = DOCKER_HOST, else the usual socket.",
    ),
  docker_cert_path: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "Directory with ca.pem, cert.pem and key.pem for a daemon behind TLS. null = DOCKER_CERT_PATH.",
    ),
  docker_user: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "User (or uid:gid) of the commands. null = 1000:1000; where an item works in a directory of its image, the image's own.",
    ),
  docker_capabilities: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe(
      "Linux capabilities that commands may have where they run as root, e.g. CHOWN, SETUID. null = none; the environments of terminal tasks set those that package managers need.",
    ),
  docker_cpus: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe("CPUs that one sandbox may keep busy. 0 = no limit, null = 1."),
  docker_read_only: z
    .boolean()
    .nullable()
    .default(null)
    .describe("Whether the image's files are read-only. null = yes, unless an item works among them."),
  docker_runtime: z
    .string()
    .nullable()
    .default(null)
    .describe("One of the daemon's container runtimes, e.g. runsc (gVisor). null = the daemon's own choice."),
  docker_pull: z
    .enum(["missing", "never"])
    .nullable()
    .default(null)
    .describe("Whether an image that the daemon doesn't have is pulled. null = missing."),
};

const sshFields = {
  ssh_host: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Machine to make sandboxes on: a name or an address. ~/.ssh/config is not read."),
  ssh_port: z
    .int()
    .min(1)
    .max(65_535)
    .nullable()
    .default(null)
    .describe("Port of its SSH server. null = 22."),
  ssh_user: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("User to log in as. null = the name of the local user."),
  ssh_key_path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Private key file. null = the first of ~/.ssh/id_ed25519, id_ecdsa, id_rsa that can be used."),
  ssh_key_passphrase: z.string().nullable().default(null).describe("Passphrase of the private key."),
  ssh_agent: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Socket of an ssh-agent, whose keys are tried too. null = SSH_AUTH_SOCK."),
  ssh_known_hosts: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("File of trusted host keys, as OpenSSH writes it. null = ~/.ssh/known_hosts."),
  ssh_host_key_policy: z
    .enum(["strict", "accept-new"])
    .nullable()
    .default(null)
    .describe(
      "strict: the host's key must be known. accept-new: that of a host without any is accepted and written to known_hosts; a changed one is always refused. null = strict.",
    ),
  ssh_host_fingerprint: z
    .string()
    .nullable()
    .default(null)
    .describe("The host key's fingerprint (SHA256:…), trusted in place of known_hosts."),
  ssh_isolation: z
    .enum(["bubblewrap", "directory", "none", "auto"])
    .nullable()
    .default(null)
    .describe(
      "bubblewrap: each rollout in its own sandbox there. directory (or none): plain processes of the remote user, for trusted code only. auto: bubblewrap where the machine can, else directory. null = terminal_isolation.",
    ),
  ssh_directory: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Directory of the remote machine in which each sandbox gets its own. null = /tmp."),
  ssh_connect_timeout: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds that logging in may take. null = 20."),
  ssh_keepalive: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "Seconds between signs of life; after three without an answer the connection is given up. null = 10.",
    ),
  ssh_max_connections: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Most connections at once; each carries as many sandboxes as the server's MaxSessions. null = 64.",
    ),
  ssh_bwrap_path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("The remote bubblewrap program: a name, or a path. null = bwrap."),
  ssh_python_path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "The remote Python 3 that sandboxes see as python3. null = /usr/bin/python3, else that on PATH.",
    ),
  ssh_run_as_uid: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe("User and group id of sandboxed processes where the remote user is root. null = 20001."),
};

const singularityFields = {
  singularity_image: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Image of rollouts whose item names none: a .sif file, a directory, or a source to convert once (docker://…, library://…, oras://…; a bare name means docker://). null = docker://python:3.12-slim.",
    ),
  singularity_cache_dir: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Directory of converted images, which processes share. null = ~/.cache/lachesis/singularity."),
  singularity_directory: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Directory in which each sandbox' workspace gets its own. null = the system's temporary one."),
  singularity_path: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("The program. null = apptainer, else singularity, on PATH."),
  singularity_build_timeout: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds that converting an image may take. null = 1800."),
  singularity_start_timeout: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds that a container may take to start. null = 120."),
};

const modalFields = {
  modal_app_name: z
    .string()
    .nullable()
    .default(null)
    .describe("Modal App of the sandboxes; made when missing. null = lachesis."),
  modal_environment: z
    .string()
    .nullable()
    .default(null)
    .describe("Modal environment. null = that of the active profile of ~/.modal.toml."),
  modal_token_id: z
    .string()
    .nullable()
    .default(null)
    .describe("Modal token. null = MODAL_TOKEN_ID, else ~/.modal.toml."),
  modal_token_secret: z
    .string()
    .nullable()
    .default(null)
    .describe("Its secret. null = MODAL_TOKEN_SECRET, else ~/.modal.toml."),
  modal_image: z
    .string()
    .nullable()
    .default(null)
    .describe(
      "A registry's image, or the id of one built on Modal (im-...); needs Perl or python3. null = python:3.12-slim.",
    ),
  modal_registry_secret_name: z
    .string()
    .nullable()
    .default(null)
    .describe("Modal Secret with the credentials of a private registry. null = none."),
  modal_cpu: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Physical cores that a sandbox reserves. null = Modal's default."),
  modal_memory_mb: z
    .int()
    .min(128)
    .nullable()
    .default(null)
    .describe("Memory of a sandbox, MiB, reserved and its limit. null = terminal_memory_mb."),
  modal_gpu: z
    .string()
    .nullable()
    .default(null)
    .describe("GPU of a sandbox, e.g. T4, A100-80GB or H100:2. null = none."),
  modal_secrets: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Names of Modal Secrets that sandboxes get as environment variables: the model sees them."),
  modal_env_vars: z
    .record(z.string(), z.string())
    .nullable()
    .default(null)
    .describe("Environment variables of sandboxes."),
  modal_regions: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Regions a sandbox may run in, e.g. us-east. null = any."),
  modal_timeout: z
    .int()
    .min(10)
    .max(86_400)
    .nullable()
    .default(null)
    .describe("Seconds a sandbox lives at most, whatever becomes of the run. null = 3600."),
  modal_idle_timeout: z
    .int()
    .min(1)
    .max(86_400)
    .nullable()
    .default(null)
    .describe("Seconds without a running command after which Modal ends a sandbox. null = never."),
  modal_profiles: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .nullable()
    .default(null)
    .describe(
      "Kinds of sandboxes that an item chooses by name (`profile` of its spec): image, gpu, cpu, memory_mb, secrets, env_vars, network, regions, timeout, idle_timeout.",
    ),
};

const daytonaFields = {
  daytona_api_key: z.string().nullable().default(null).describe("API key. null = DAYTONA_API_KEY."),
  daytona_api_url: z
    .string()
    .nullable()
    .default(null)
    .describe("URL of Daytona's API. null = https://app.daytona.io/api."),
  daytona_target: z.string().nullable().default(null).describe("Region. null = that of the organization."),
  daytona_image: z
    .string()
    .nullable()
    .default(null)
    .describe("Image of rollouts whose item names none; needs Perl. null = python:3.12-slim."),
  daytona_snapshot: z
    .string()
    .nullable()
    .default(null)
    .describe("Snapshot instead of the image; it has its own CPUs, memory and disk."),
  daytona_cpu: z.int().min(1).nullable().default(null).describe("CPUs of one sandbox. null = 1."),
  daytona_disk_gib: z.int().min(1).nullable().default(null).describe("Disk of one sandbox, GiB. null = 3."),
  daytona_auto_stop_minutes: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe("Minutes without a sign of life from us until Daytona deletes a sandbox. null = 15."),
  daytona_start_timeout_seconds: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds a sandbox may take to start, its image's build included. null = 300."),
};

const nomadFields = {
  nomad_address: z
    .string()
    .nullable()
    .default(null)
    .describe("URL of a Nomad agent. null = http://127.0.0.1:4646."),
  nomad_token: z.string().nullable().default(null).describe("ACL token. null = NOMAD_TOKEN."),
  nomad_namespace: z.string().nullable().default(null).describe("Namespace of the jobs. null = default."),
  nomad_region: z.string().nullable().default(null).describe("Region. null = that of the agent."),
  nomad_datacenters: z
    .array(z.string())
    .nullable()
    .default(null)
    .describe("Datacenters that may run sandboxes. null = all."),
  nomad_driver: z
    .enum(["docker", "exec", "raw_exec"])
    .nullable()
    .default(null)
    .describe("Task driver; raw_exec has no walls and wants terminal_network true. null = docker."),
  nomad_image: z
    .string()
    .nullable()
    .default(null)
    .describe("Image of rollouts whose item names none (driver docker). null = python:3.12-slim."),
  nomad_cpu: z.int().min(1).nullable().default(null).describe("CPU of one sandbox, MHz. null = 500."),
  nomad_job: z
    .string()
    .nullable()
    .default(null)
    .describe("An existing job to adopt and scale. null = each sandbox gets a job of its own."),
  nomad_group: z
    .string()
    .nullable()
    .default(null)
    .describe("Task group of the adopted job. null = its first."),
  nomad_task: z.string().nullable().default(null).describe("Task of that group. null = its first."),
  nomad_max_count: z
    .int()
    .min(1)
    .nullable()
    .default(null)
    .describe("Most allocations that the adopted job is scaled to. null = 50."),
  nomad_idle_seconds: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds without a new sandbox until the adopted job is scaled down. null = 60."),
  nomad_start_timeout_seconds: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Seconds until an allocation must run. null = 300."),
};

export const terminalFields = {
  ...sharedFields,
  ...poolFields,
  ...localFields,
  ...dockerFields,
  ...sshFields,
  ...singularityFields,
  ...modalFields,
  ...daytonaFields,
  ...nomadFields,
};

/** What the pool is made by; other keys of an environment are left alone. */
export const poolSettings = z.object(poolFields);

/** Which keys belong together, for `--help` and docs/cli.md. */
export const terminalFieldGroups: readonly { title: string; keys: readonly string[] }[] = [
  { title: "Sandboxes (every backend takes what it knows)", keys: Object.keys(sharedFields) },
  { title: "Pool of sandboxes", keys: Object.keys(poolFields) },
  { title: "Sandbox backend local", keys: Object.keys(localFields) },
  { title: "Sandbox backend docker", keys: Object.keys(dockerFields) },
  { title: "Sandbox backend ssh", keys: Object.keys(sshFields) },
  { title: "Sandbox backend singularity", keys: Object.keys(singularityFields) },
  { title: "Sandbox backend modal", keys: Object.keys(modalFields) },
  { title: "Sandbox backend daytona", keys: Object.keys(daytonaFields) },
  { title: "Sandbox backend nomad", keys: Object.keys(nomadFields) },
];

/**
 * A Modal on loopback: the gRPC calls that the unmodified SDK makes for sandboxes (MODAL_SERVER_URL), with real
 * processes behind them, and with faults to order. What it was asked for can be looked at.
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { ModalSandbox, type ModalSandboxDefinition, type ModalTag, modalStatus } from "./modal-sandbox.ts";

type Variables = { contents: Record<string, string> };
type SecretSource = { secretId: string; env: Variables | null };
type CreateRequest = {
  appId: string;
  definition: ModalSandboxDefinition;
  tags: ModalTag[];
  secretSources?: SecretSource[];
};
type SandboxRequest = { sandboxId: string; timeout: number };
type Handler<Request> = (request: Request) => object | Promise<object>;

export const modalToken = { id: "ak-test", secret: "as-test" };

/** An answer that is a gRPC error. */
export class ModalRefusal extends Error {
  readonly code: number;
  constructor(code: number, details: string) {
    super(details);
    this.code = code;
  }
}

export class ModalServer implements AsyncDisposable {
  /** The images asked for, as their Dockerfile's first line, by their ids. */
  readonly images = new Map<string, string>();
  /** The values of the Secrets that exist, by their names. */
  readonly secrets = new Map<string, Record<string, string>>();
  readonly sandboxes = new Map<string, ModalSandbox>();
  /** Whether sandboxes with a GPU are queued. */
  hasNoRoom = false;
  /** How often each call came. */
  readonly calls = new Map<string, number>();
  readonly #faults: { call: string; fault: (request: unknown) => void | Promise<void> }[] = [];
  readonly #lostAnswers: string[] = [];
  readonly #streams = new Set<() => void>();
  readonly #server = new Server({ "grpc.max_receive_message_length": 16 * 1_048_576 });
  #port = 0;

  static async start(): Promise<ModalServer> {
    const server = new ModalServer();
    server.#server.addService(loadService("modal.proto", "modal.client.ModalClient"), server.#controlPlane());
    server.#server.addService(
      loadService("task-command-router.proto", "modal.task_command_router.TaskCommandRouter"),
      server.#commandRouter(),
    );
    server.#port = await new Promise((done, fail) =>
      server.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        error === null ? done(port) : fail(error),
      ),
    );
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get running(): ModalSandbox[] {
    return [...this.sandboxes.values()].filter((sandbox) => sandbox.isRunning);
  }

  /** The next such call waits for (or is refused by) the fault before it is served. */
  faultOnce(call: string, fault: (request: unknown) => void | Promise<void>): void {
    this.#faults.push({ call, fault });
  }

  /** The next such call is served, and its answer gets lost. */
  loseAnswerOnce(call: string): void {
    this.#lostAnswers.push(call);
  }

  /** Breaks off every stream of output, as a connection that is lost; clients may come back. */
  breakStreams(): void {
    for (const breakOff of this.#streams) breakOff();
  }

  /** As an operator, or Modal's own, would. */
  async terminate(sandboxId: string, sandboxStatus: number = modalStatus.terminated): Promise<void> {
    await this.#find(sandboxId).terminate(sandboxStatus);
  }

  /** Nothing of it is known any more, as if its machine had been lost. */
  async vanish(sandboxId: string): Promise<void> {
    const sandbox = this.#find(sandboxId);
    this.sandboxes.delete(sandboxId);
    this.breakStreams();
    await sandbox.terminate(modalStatus.terminated);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running.map((sandbox) => sandbox.terminate(modalStatus.terminated)));
    this.#server.forceShutdown();
  }

  #controlPlane(): UntypedServiceImplementation {
    const access = () => ({ jwt: token(), url: `https://127.0.0.1:${this.#port}` });
    const wait: Handler<SandboxRequest> = async ({ sandboxId, timeout }) => {
      const { promise: late, resolve: stop } = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => stop(undefined), timeout * 1_000);
      const sandboxStatus = await Promise.race([this.#find(sandboxId).ended, late]);
      clearTimeout(timer);
      return sandboxStatus === undefined ? {} : { result: { status: sandboxStatus } };
    };
    const terminate: Handler<SandboxRequest> = async ({ sandboxId }) => {
      await this.terminate(sandboxId);
      return {};
    };
    const tags: Handler<SandboxRequest> = ({ sandboxId }) => ({ tags: this.#find(sandboxId).tags });
    const taskId: Handler<SandboxRequest> = ({ sandboxId }) => {
      const sandbox = this.#find(sandboxId);
      if (this.hasNoRoom && sandbox.isRunning) return {};
      return sandbox.isRunning
        ? { taskId: sandbox.taskId }
        : { taskResult: { status: modalStatus.terminated } };
    };
    return {
      AuthTokenGet: this.#unary("AuthTokenGet", () => ({ token: token() })),
      EnvironmentGetOrCreate: this.#unary("EnvironmentGetOrCreate", () => ({
        environmentId: "en-1",
        metadata: { name: "main", settings: { imageBuilderVersion: "2025.06" } },
      })),
      AppGetOrCreate: this.#unary("AppGetOrCreate", ({ appName }: { appName: string }) => ({
        appId: `ap-${appName}`,
      })),
      ImageGetOrCreate: this.#unary(
        "ImageGetOrCreate",
        ({ image }: { image: { dockerfileCommands: string[] } }) => {
          const imageId = `im-${randomBytes(6).toString("hex")}`;
          this.images.set(imageId, image.dockerfileCommands[0] ?? "");
          return { imageId, result: { status: modalStatus.success } };
        },
      ),
      ImageFromId: this.#unary("ImageFromId", ({ imageId }: { imageId: string }) => ({ imageId })),
      SecretGetOrCreate: this.#unary(
        "SecretGetOrCreate",
        (request: { deploymentName: string; envDict: Record<string, string> }) => {
          const name = request.deploymentName || `ephemeral-${randomBytes(6).toString("hex")}`;
          if (request.deploymentName === "") this.secrets.set(name, request.envDict);
          if (!this.secrets.has(name)) throw new ModalRefusal(status.NOT_FOUND, `Secret '${name}' not found`);
          return { secretId: name };
        },
      ),
      // What the SDK takes for V1's ids has 22 letters and digits.
      SandboxCreate: this.#unary("SandboxCreate", (request: CreateRequest) => ({
        sandboxId: this.#create(request, `sb-${randomBytes(11).toString("hex")}`).id,
      })),
      SandboxCreateV2: this.#unary("SandboxCreateV2", (request: CreateRequest) => {
        const { id, taskId } = this.#create(request, `sb-v2${randomBytes(11).toString("hex")}`);
        return { sandboxId: id, taskId, commandRouterAccess: access() };
      }),
      SandboxGetTaskId: this.#unary("SandboxGetTaskId", taskId),
      SandboxGetTaskIdV2: this.#unary("SandboxGetTaskIdV2", taskId),
      TaskGetCommandRouterAccess: this.#unary("TaskGetCommandRouterAccess", access),
      SandboxGetCommandRouterAccess: this.#unary("SandboxGetCommandRouterAccess", access),
      SandboxTerminate: this.#unary("SandboxTerminate", terminate),
      SandboxTerminateV2: this.#unary("SandboxTerminateV2", terminate),
      SandboxWait: this.#unary("SandboxWait", wait),
      SandboxWaitV2: this.#unary("SandboxWaitV2", wait),
      SandboxListV2: this.#unary(
        "SandboxListV2",
        (request: { beforeTimestamp: number; tags: ModalTag[] }) => ({
          sandboxes: this.running
            .filter(({ createdAt }) => request.beforeTimestamp === 0 || createdAt < request.beforeTimestamp)
            .filter((sandbox) => request.tags.every((tag) => hasTag(sandbox, tag)))
            .toSorted((one, other) => other.createdAt - one.createdAt)
            .slice(0, 3)
            .map(({ id, createdAt }) => ({ id, createdAt })),
        }),
      ),
      SandboxTagsGet: this.#unary("SandboxTagsGet", tags),
      SandboxTagsGetV2: this.#unary("SandboxTagsGetV2", tags),
    };
  }

  #commandRouter(): UntypedServiceImplementation {
    return {
      TaskExecStart: this.#unary(
        "TaskExecStart",
        ({
          taskId,
          execId,
          commandArgs,
          workdir,
        }: {
          taskId: string;
          execId: string;
          commandArgs: string[];
          workdir: string;
        }) => {
          this.#findTask(taskId).start(execId, commandArgs, workdir);
          return {};
        },
      ),
      TaskExecStdinWrite: this.#unary(
        "TaskExecStdinWrite",
        async (request: {
          taskId: string;
          execId: string;
          offset: number;
          data: Uint8Array;
          eof: boolean;
        }) => {
          await this.#findExec(request).write(request.offset, request.data, request.eof);
          return {};
        },
      ),
      TaskExecStdioRead: async (
        call: ServerWritableStream<
          { taskId: string; execId: string; offset: number; fileDescriptor: number },
          object
        >,
      ) => {
        const left = new AbortController();
        call.once("cancelled", () => left.abort());
        const breakOff = () => {
          left.abort();
          call.emit("error", new ModalRefusal(status.UNAVAILABLE, "connection lost"));
        };
        this.#streams.add(breakOff);
        try {
          await this.#before("TaskExecStdioRead", call.request);
          const { offset, fileDescriptor } = call.request;
          for await (const data of this.#findExec(call.request).read(fileDescriptor, offset, left.signal)) {
            if (!call.write({ data })) await new Promise((done) => call.once("drain", done));
          }
          if (!left.signal.aborted) call.end();
        } catch (error) {
          call.emit("error", asRefusal(error));
        } finally {
          this.#streams.delete(breakOff);
        }
      },
    };
  }

  #create(request: CreateRequest, id: string): ModalSandbox {
    const sources = request.secretSources ?? [];
    const secretIds = [...request.definition.secretIds, ...sources.map(({ secretId }) => secretId)];
    const environment = Object.assign(
      {},
      ...secretIds.map((secretId) => this.secrets.get(secretId) ?? {}),
      ...sources.map(({ env }) => env?.contents ?? {}),
    );
    const sandbox = new ModalSandbox({ id, environment, definition: request.definition, tags: request.tags });
    this.sandboxes.set(id, sandbox);
    return sandbox;
  }

  #find(sandboxId: string): ModalSandbox {
    const sandbox = this.sandboxes.get(sandboxId);
    if (sandbox === undefined) throw new ModalRefusal(status.NOT_FOUND, `no sandbox ${sandboxId}`);
    return sandbox;
  }

  #findTask(taskId: string): ModalSandbox {
    const sandbox = this.#find(taskId.replace(/^ta-/, ""));
    if (!sandbox.isRunning) throw new ModalRefusal(status.NOT_FOUND, `the task ${taskId} has ended`);
    return sandbox;
  }

  #findExec({ taskId, execId }: { taskId: string; execId: string }) {
    const exec = this.#find(taskId.replace(/^ta-/, "")).execs.get(execId);
    if (exec === undefined) throw new ModalRefusal(status.NOT_FOUND, `no exec ${execId}`);
    return exec;
  }

  #unary<Request>(name: string, handler: Handler<Request>) {
    return (
      call: ServerUnaryCall<Request, object>,
      answer: (error: ModalRefusal | null, value?: object) => void,
    ) => {
      const serve = async () => {
        if (name === "AuthTokenGet") checkCredentials(call);
        await this.#before(name, call.request);
        const value = await handler(call.request);
        const lost = this.#lostAnswers.indexOf(name);
        if (lost === -1) return value;
        this.#lostAnswers.splice(lost, 1);
        throw new ModalRefusal(status.UNAVAILABLE, "connection lost");
      };
      serve().then(
        (value) => answer(null, value),
        (error: unknown) => answer(asRefusal(error)),
      );
    };
  }

  async #before(name: string, request: unknown): Promise<void> {
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
    const index = this.#faults.findIndex(({ call }) => call === name);
    if (index !== -1) await this.#faults.splice(index, 1)[0]?.fault(request);
  }
}

function checkCredentials({ metadata }: ServerUnaryCall<unknown, unknown>): void {
  const [id] = metadata.get("x-modal-token-id");
  const [secret] = metadata.get("x-modal-token-secret");
  if (id === modalToken.id && secret === modalToken.secret) return;
  throw new ModalRefusal(status.UNAUTHENTICATED, "Token validation failed");
}

function hasTag(sandbox: ModalSandbox, { tagName, tagValue }: ModalTag): boolean {
  return sandbox.tags.some((tag) => tag.tagName === tagName && tag.tagValue === tagValue);
}

/** A JSON web token as the SDK reads it: only when it ends. */
function token(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none" })}.${part({ exp: Math.floor(Date.now() / 1_000) + 3_600 })}.x`;
}

function asRefusal(error: unknown): ModalRefusal {
  if (error instanceof ModalRefusal) return error;
  return new ModalRefusal(status.INTERNAL, error instanceof Error ? error.message : String(error));
}

function loadService(file: string, name: string): ServiceDefinition {
  const definition = loadSync(resolve(import.meta.dirname, file), { longs: Number, defaults: true })[name];
  if (definition === undefined || "format" in definition) throw new Error(`${file} has no service ${name}`);
  return definition;
}

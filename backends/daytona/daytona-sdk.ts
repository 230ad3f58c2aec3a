/**
 * Daytona's SDK, as far as we use it. It is no dependency of ours (it brings some hundred packages): who wants this
 * backend installs it, and it is loaded when the first sandbox is made.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { LachesisError } from "../../src/contracts/errors.ts";

export const daytonaPackage = "@daytona/sdk";
const testedVersion = "0.216.0";

export type DaytonaPty = {
  sendInput(data: Uint8Array): Promise<void>;
  /** Settles when the terminal or the connection has ended; may reject. */
  wait(): Promise<{ exitCode?: number | undefined; error?: string | undefined }>;
  disconnect(): Promise<void>;
};

export type DaytonaSandbox = {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state?: string | undefined;
  readonly errorReason?: string | undefined;
  fs: { uploadFile(content: Buffer, remotePath: string, timeoutSeconds?: number): Promise<void> };
  process: {
    createPty(options: {
      id: string;
      cwd?: string;
      envs?: Record<string, string>;
      onData: (data: Uint8Array) => void;
    }): Promise<DaytonaPty>;
  };
  refreshData(): Promise<void>;
  refreshActivity(): Promise<void>;
  delete(timeoutSeconds?: number, wait?: boolean): Promise<void>;
};

export type DaytonaCreateParameters = {
  image?: string;
  snapshot?: string;
  resources?: { cpu: number; memory: number; disk: number };
  labels: Record<string, string>;
  autoStopInterval: number;
  ephemeral: boolean;
  networkBlockAll: boolean;
};

export interface DaytonaClient extends AsyncDisposable {
  create(parameters: DaytonaCreateParameters, options: { timeout: number }): Promise<DaytonaSandbox>;
  list(query: { labels: Record<string, string> }): AsyncIterable<DaytonaSandbox>;
}

type DaytonaConstructor = new (config: {
  apiKey: string;
  apiUrl: string;
  target?: string;
  useDeprecatedPolling: boolean;
}) => DaytonaClient;

/** Imports a package by name; rejects with ERR_MODULE_NOT_FOUND where it isn't installed. */
export type PackageImporter = (name: string) => Promise<unknown>;

const sdkModule = z.object({
  Daytona: z.custom<DaytonaConstructor>((value) => typeof value === "function"),
});

/** Looks where Lachesis stands, then where it was started. */
export async function importInstalled(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const fromHere = createRequire(join(process.cwd(), "index.js"));
    return await import(pathToFileURL(fromHere.resolve(name)).href);
  }
}

/** Rejects with SANDBOX_UNAVAILABLE where the SDK is missing or another one. */
export async function loadDaytona(importPackage: PackageImporter): Promise<DaytonaConstructor> {
  const hint = `npm install ${daytonaPackage}@${testedVersion}`;
  let loaded: unknown;
  try {
    loaded = await importPackage(daytonaPackage);
  } catch (error) {
    const what = isNotFound(error) ? "is not installed" : `cannot be loaded: ${String(error)}`;
    throw new LachesisError(
      "SANDBOX_UNAVAILABLE",
      `The backend daytona needs the package ${daytonaPackage}, which ${what}.`,
      { hint, cause: error },
    );
  }
  const parsed = sdkModule.safeParse(loaded);
  if (parsed.success) return parsed.data.Daytona;
  throw new LachesisError(
    "SANDBOX_UNAVAILABLE",
    `The installed ${daytonaPackage} has no class Daytona; it was tested with ${testedVersion}.`,
    { hint },
  );
}

function isNotFound(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND")
  );
}

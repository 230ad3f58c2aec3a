/** Keeps secrets out of everything that is printed or written. */
import { type ConfigMap, isConfigMap } from "./config-file.ts";

const secretKey = /(^|_|-)(api_?key|key|token|secret|password|passphrase|authorization|cookie)$/i;

/** True for names of values that must never be shown. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key.replace(/([a-z])([A-Z])/g, "$1_$2"));
}

/** A copy without secret keys, and without passwords inside URLs. Numbers and nulls are never secrets. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") return hideUrlPassword(value);
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isConfigMap(value)) return value;
  const shown: ConfigMap = {};
  for (const [key, item] of Object.entries(value)) {
    if (isSecretKey(key) && typeof item === "string" && item !== "") continue;
    shown[key] = withoutSecrets(item);
  }
  return shown;
}

/** Every secret value inside a configuration, for the scrubber. */
export function collectSecrets(value: unknown): string[] {
  if (typeof value === "string") {
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:([^/@\s]+)@/i.exec(value)?.[1];
    return password === undefined ? [] : [password];
  }
  if (Array.isArray(value)) return value.flatMap(collectSecrets);
  if (!isConfigMap(value)) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    isSecretKey(key) && typeof item === "string" && item !== ""
      ? [item, ...credentialsOf(item)]
      : collectSecrets(item),
  );
}

/** `Bearer abc` is a header's value; what must not be seen is `abc`. */
function credentialsOf(value: string): string[] {
  const credentials = /^(?:Bearer|Basic|Token)\s+(\S+)$/i.exec(value)?.[1];
  return credentials === undefined ? [] : [credentials];
}

/**
 * A function that blots known secret values out of any text, e.g. an error that quotes a request. Values
 * under 6 characters ("x", "none") are placeholders of local servers: blotting them would ruin the text.
 */
export function secretScrubber(secrets: readonly string[]): (text: string) => string {
  const real = [...new Set(secrets)]
    .filter((secret) => secret.length >= 6)
    .sort((a, b) => b.length - a.length);
  return (text) => real.reduce((clean, secret) => clean.replaceAll(secret, "[redacted]"), text);
}

function hideUrlPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@\s:]*):[^/@\s]+@/i, "$1:[redacted]@");
}

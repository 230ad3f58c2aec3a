import { expect, test } from "vitest";
import { backendConfigKeys } from "../../backends/index.ts";
import { backendSettings } from "../../src/cli/backend-config.ts";

test("a backend gets the shared keys that it knows, and its own, without their prefixes", () => {
  const env = { terminal_memory_mb: 64, local_python_path: "/usr/bin/python3", group_size: 4 };
  expect(backendSettings("local", env)).toEqual({
    config: { memory_mb: 64, python_path: "/usr/bin/python3" },
    unused: [],
  });
});

test("the engine's own keys, other backends' keys and null are no settings", () => {
  const env = {
    terminal_backend: "local",
    terminal_timeout: 5,
    terminal_lifetime: 9,
    docker_image: "busybox",
    local_python_path: null,
  };
  expect(backendSettings("local", env)).toEqual({ config: {}, unused: [] });
});

test("a backend's own key wins over the shared one, wherever it stands", () => {
  for (const env of [
    { terminal_memory_mb: 64, local_memory_mb: 32 },
    { local_memory_mb: 32, terminal_memory_mb: 64 },
  ]) {
    expect(backendSettings("local", env).config).toEqual({ memory_mb: 32 });
  }
});

test("a shared key that the backend doesn't know is told when somebody set it", () => {
  expect(backendConfigKeys("local")).not.toContain("colour");
  const env = { terminal_isolation: "none", terminal_colour: "blue", terminal_network: false };
  expect(backendSettings("local", env).unused).toEqual(["terminal_colour"]);
});

test("secrets from outside stand in for keys that are unset, and lose against those that are set", () => {
  const secrets = { local_python_path: "/from/outside", nomad_token: "abc" };
  expect(backendSettings("local", { local_python_path: null }, secrets).config).toEqual({
    python_path: "/from/outside",
  });
  expect(backendSettings("local", { local_python_path: "/mine" }, secrets).config).toEqual({
    python_path: "/mine",
  });
});

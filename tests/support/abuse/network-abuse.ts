/** Attacks through the network, and on the screen of whoever watches. */
import { createServer } from "node:net";
import { expect } from "vitest";
import { ShellSession } from "../../../src/tools/shell-session.ts";
import type { AbuseChapter } from "./abuse-case.ts";

export const networkAbuse: AbuseChapter = {
  title: "The network and the screen",
  cases: [
    {
      attack: "connecting to a listener on the host's loopback, to the network, to abstract sockets",
      containedBy: "a network namespace with nothing but its own loopback",
      async attempt(place) {
        const server = createServer((socket) => socket.end("hello"));
        const abstract = createServer((socket) => socket.end("hello"));
        await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
        const name = `lachesis-abuse-${process.pid}`;
        await new Promise<void>((listening) => abstract.listen(`\0${name}`, listening));
        const address = server.address();
        const port = typeof address === "object" ? address?.port : undefined;
        const { stdout } = await place.python(`
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", ${port})), (socket.AF_INET, ("192.0.2.1", 80)), (socket.AF_UNIX, "\\0${name}")):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as error: print(error.strerror)
`);
        server.close();
        abstract.close();
        expect(stdout).toBe("Connection refused\nNetwork is unreachable\nConnection refused\n");
        expect((await place.run("cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' '")).stdout).toBe("lo\n");
      },
    },
    {
      attack: "terminal escapes in output: clearing the screen, setting titles, the clipboard",
      containedBy:
        "the shell's output is freed of escapes; every result is JSON, which escapes control characters",
      async attempt(place) {
        await using shell = new ShellSession(place.sandbox);
        const { output } = await shell.run(
          String.raw`printf 'a\033[2J\033]0;owned\007\033]52;c;cGFzdGU=\007b\n'`,
          { timeoutMs: 20_000, signal: place.signal },
        );
        expect(output).not.toContain("\u001b");
        expect(output).toMatch(/^a.*b\n$/s);
        expect(JSON.stringify({ output: "\u001b[2J\u0007" })).toBe(String.raw`{"output":"\u001b[2J\u0007"}`);
      },
    },
  ],
};

/** What hostile code tries in a bubblewrap sandbox, and what it meets: the cases stand in tests/support/abuse. */
import { afterAll, afterEach, beforeEach, describe, test } from "vitest";
import { createBackend } from "../../backends/index.ts";
import { AbusePlace, abuseSettings } from "../support/abuse/abuse-case.ts";
import { abuseChapters } from "../support/abuse/abuse-chapters.ts";
import { bubblewrapSkipReason, expectNoSandboxLeft } from "../support/local-sandboxes.ts";

const title = `abuse of a bubblewrap sandbox${bubblewrapSkipReason === undefined ? "" : ` (skipped: ${bubblewrapSkipReason})`}`;

describe.skipIf(bubblewrapSkipReason !== undefined)(title, () => {
  const backend = createBackend("local", abuseSettings);
  let place: AbusePlace;

  beforeEach(async () => {
    const sandbox = await backend.create({ rolloutId: "abuse", signal: AbortSignal.timeout(60_000) });
    place = new AbusePlace(backend, sandbox);
  });
  afterEach(async () => {
    await place.sandbox[Symbol.asyncDispose]();
    await expectNoSandboxLeft();
  });
  afterAll(async () => {
    await backend[Symbol.asyncDispose]();
  });

  for (const chapter of abuseChapters) {
    describe(chapter.title, () => {
      for (const { attack, containedBy, skipReason, attempt } of chapter.cases) {
        test(`${attack}: ${containedBy}`, async (context) => {
          const reason = await skipReason?.();
          context.skip(reason !== undefined, reason);
          await attempt(place);
        });
      }
    });
  }
});

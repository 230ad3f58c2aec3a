/**
 * Property tests draw from one seed, so that a red run is the change's doing and not chance's. To look for more:
 * `LACHESIS_PROPERTY_SEED=random npx vitest run tests/tokens`, or a number to see a run again.
 */
import fc from "fast-check";

const given = process.env.LACHESIS_PROPERTY_SEED ?? "1";
if (given !== "random") {
  const seed = Number(given);
  if (!Number.isInteger(seed))
    throw new Error(`LACHESIS_PROPERTY_SEED is an integer or "random", not ${given}.`);
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}

/**
 * Lets a bin refuse an old Node before any module that needs a new one is loaded: an installed bin runs
 * under whatever `node` comes first in PATH. Nothing may be imported here.
 */

const neededMajor = 24;

/** Ends the process with exit code 1 and one clear message when Node is older than 24. */
export function refuseOldNode(): void {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= neededMajor) return;
  process.stderr.write(
    `Lachesis needs Node ${neededMajor} or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      "Install Node 24, or add the npm package `node` (npm install node@24) and use `npx`.\n",
  );
  process.exit(1);
}

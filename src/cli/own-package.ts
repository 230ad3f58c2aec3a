/**
 * An environment's file says `import … from "lachesis"`, wherever it lies: in a clone (whose `dist` may not
 * be built, or be old), in a project of its own, or in a folder that knows no packages at all. It gets the
 * Lachesis that runs it, so that there is one copy, of one version, in the process.
 */
import { registerHooks } from "node:module";
import { extname } from "node:path";

/** What package.json exports, as this copy has it: `.ts` in a checkout, `.js` in an installed package. */
function ownModules(): ReadonlyMap<string, string> {
  const extension = extname(import.meta.url);
  const at = (path: string) => new URL(`../../${path}${extension}`, import.meta.url).href;
  return new Map([
    ["lachesis", at("src/index")],
    ["lachesis/parsers", at("parsers/index")],
    ["lachesis/rewards", at("rewards/index")],
  ]);
}

/** From now on, and for the life of the process, imports of the package resolve to this copy of it. */
export function resolveOwnPackage(): void {
  const modules = ownModules();
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const url = modules.get(specifier);
      return url === undefined ? nextResolve(specifier, context) : { url, shortCircuit: true };
    },
  });
}

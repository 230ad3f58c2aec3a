/** Imports a package of this folder: names are looked up from where `import` stands. */
export function importPackage(name: string): Promise<unknown> {
  return import(name);
}

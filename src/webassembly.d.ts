/** The part of the WebAssembly API that is used: TypeScript has its types in the library for browsers only. */
declare namespace WebAssembly {
  type Exports = Record<string, unknown>;
  class Module {
    constructor(code: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: { env: { memory: Memory } });
    readonly exports: Exports;
  }
  class Memory {
    constructor(limits: { initial: number });
    readonly buffer: ArrayBuffer;
    /** Detaches the buffer; answers the number of pages there were. */
    grow(pages: number): number;
  }
}

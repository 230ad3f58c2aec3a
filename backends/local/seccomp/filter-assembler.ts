/**
 * Instructions of classic BPF as the kernel's seccomp runs them: each is a code, two jump distances and a
 * number. A filter is a list of blocks: a block that does not decide falls through to the one behind it.
 */

export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

const loadWord = 0x20;
const jumpIfEqual = 0x15;
const jumpIfGreater = 0x25;
const jumpIfAnyBit = 0x45;
const returnConstant = 0x06;

/** Offsets into `seccomp_data`. Arguments are 64 bits wide; here is their lower half, little-endian. */
export const field = { number: 0, architecture: 4, argument: (index: number) => 16 + 8 * index } as const;

export const verdict = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  error: (errno: number) => 0x00050000 | errno,
} as const;

export const load = (offset: number): Instruction => [loadWord, 0, 0, offset];
export const give = (decision: number): Instruction => [returnConstant, 0, 0, decision];

/** Decides where the loaded word equals the value, and else goes on. */
export const giveIfEqual = (value: number, decision: number): Instruction[] => [
  [jumpIfEqual, 0, 1, value],
  give(decision),
];
export const giveUnlessEqual = (value: number, decision: number): Instruction[] => [
  [jumpIfEqual, 1, 0, value],
  give(decision),
];
export const giveIfGreater = (value: number, decision: number): Instruction[] => [
  [jumpIfGreater, 0, 1, value],
  give(decision),
];
export const giveIfAnyBit = (bits: number, decision: number): Instruction[] => [
  [jumpIfAnyBit, 0, 1, bits],
  give(decision),
];

/** Runs the block where the loaded word equals the value; the block must decide in every case. */
export function whenEqual(value: number, block: readonly Instruction[]): Instruction[] {
  if (block.length > 255) throw new Error(`a block of ${block.length} instructions cannot be jumped over`);
  return [[jumpIfEqual, 0, block.length, value], ...block];
}

/** `struct sock_filter[]`, as bubblewrap's --seccomp reads it. */
export function encodeFilter(instructions: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  for (const [index, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand >>> 0, index * 8 + 4);
  }
  return bytes;
}

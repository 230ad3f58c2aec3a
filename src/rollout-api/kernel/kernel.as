/**
 * The loops that see every byte of every group, in AssemblyScript for WebAssembly's vector instructions. Built
 * by `npm run build:kernel` into kernel-code.ts, which is checked in; group-kernel.ts is how it is used.
 *
 * Memory is the caller's: it says where things are, and sees that 64 bytes beyond input and output are there.
 * The first words of memory are the answers that a return value has no room for.
 */

// @ts-ignore: decorator
@inline const COMMA: i32 = 0x2c;
// @ts-ignore: decorator
@inline const MINUS: i32 = 0x2d;
// @ts-ignore: decorator
@inline const DOT: i32 = 0x2e;
// @ts-ignore: decorator
@inline const ZERO: i32 = 0x30;
// @ts-ignore: decorator
@inline const SPACE: i32 = 0x20;
// @ts-ignore: decorator
@inline const LOWER_E: i32 = 0x65;

/** Whole numbers up to which a double has every one. */
// @ts-ignore: decorator
@inline const EXACT_DIGITS: i32 = 15;
// @ts-ignore: decorator
@inline const MOST_DIGITS_KEPT: i32 = 17;

// @ts-ignore: decorator
@inline function digitsAt(at: i32): i32 {
  return i8x16.bitmask(i8x16.lt_u(i8x16.sub(v128.load(at), i8x16.splat(<i8>ZERO)), i8x16.splat(10)));
}

// @ts-ignore: decorator
@inline function zerosAt(at: i32): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(<i8>ZERO)));
}

// @ts-ignore: decorator
@inline function isExponent(byte: i32): bool {
  return (byte | 0x20) == LOWER_E;
}

// @ts-ignore: decorator
@inline function skipWhitespace(at: i32): i32 {
  let byte: i32 = load<u8>(at);
  while (byte <= SPACE && (byte == SPACE || byte == 0x0a || byte == 0x0d || byte == 0x09)) byte = load<u8>(++at);
  return at;
}

// @ts-ignore: decorator
@inline function answer(at: i32, out: i32, commas: i32, sawNegative: bool): void {
  store<i32>(0, at);
  store<i32>(4, out);
  store<i32>(8, commas);
  store<i32>(12, sawNegative ? 1 : 0);
}

/**
 * Copies `1,-100,8` for as long as the numbers are in their usual spelling. 1 = stopped behind a number that no
 * comma follows; 0 = stopped before a number that it leaves to the caller.
 */
export function copyIntegers(at: i32, out: i32): i32 {
  let commas = 0;
  let sawNegative = false;
  while (true) {
    const text = v128.load(at);
    const isNegative: i32 = <i32>load<u8>(at) == MINUS ? 1 : 0;
    const digits: i32 = ctz(~(digitsAt(at) >> isNegative));
    const first: i32 = load<u8>(at + isNegative);
    const end = at + isNegative + digits;
    const next: i32 = load<u8>(end);
    if (
      digits == 0 || digits + isNegative >= 16 || next == DOT || isExponent(next) ||
      (first == ZERO && (digits > 1 || isNegative))
    ) {
      answer(at, out, commas, sawNegative);
      return 0;
    }
    sawNegative = sawNegative || isNegative != 0;
    v128.store(out, text);
    out += end - at;
    at = end;
    if (next != COMMA) {
      answer(at, out, commas, sawNegative);
      return 1;
    }
    store<u8>(out++, <u8>COMMA);
    commas++;
    at++;
    if (<i32>load<u8>(at) <= SPACE) at = skipWhitespace(at);
  }
}

/** The same for `0.5,-3.25,1`, of which every number comes out with a fraction. */
export function copyFloats(at: i32, out: i32): i32 {
  let commas = 0;
  while (true) {
    const isNegative: i32 = <i32>load<u8>(at) == MINUS ? 1 : 0;
    const from = at + isNegative;
    const digits: i32 = digitsAt(from) | (digitsAt(from + 16) << 16);
    const whole: i32 = ctz(~digits);
    const first: i32 = load<u8>(from);
    let next: i32 = load<u8>(from + whole);
    let end = from + whole;
    let isUsual: bool;
    if (next == DOT) {
      const fraction: i32 = ctz(~(digits >>> (whole + 1)));
      end += 1 + fraction;
      next = load<u8>(end);
      const zeros: i32 = ctz(~((zerosAt(from) | (zerosAt(from + 16) << 16)) >>> (whole + 1)));
      isUsual =
        whole > 0 && fraction > 0 && whole + fraction < 30 && !isExponent(next) &&
        (fraction == 1 || <i32>load<u8>(end - 1) != ZERO) &&
        (first == ZERO
          ? whole == 1 && zeros < 4 && fraction - zeros <= MOST_DIGITS_KEPT
          : whole + fraction <= MOST_DIGITS_KEPT);
    } else {
      isUsual =
        whole > 0 && whole < EXACT_DIGITS && !isExponent(next) && (first != ZERO || (whole == 1 && !isNegative));
    }
    if (!isUsual) {
      answer(at, out, commas, false);
      return 0;
    }
    v128.store(out, v128.load(at));
    v128.store(out + 16, v128.load(at + 16));
    out += end - at;
    if (end == from + whole) {
      store<u8>(out, <u8>DOT);
      store<u8>(out + 1, <u8>ZERO);
      out += 2;
    }
    at = end;
    if (next != COMMA) {
      answer(at, out, commas, false);
      return 1;
    }
    store<u8>(out++, <u8>COMMA);
    commas++;
    at++;
    if (<i32>load<u8>(at) <= SPACE) at = skipWhitespace(at);
  }
}

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline function round(sum: u64, value: u64): u64 {
  return rotl(sum + value * PRIME_2, 31) * PRIME_1;
}

// @ts-ignore: decorator
@inline function merge(hash: u64, sum: u64): u64 {
  return (hash ^ round(0, sum)) * PRIME_1 + PRIME_4;
}

/** The lower half of XXH64 with the seed 0: ten times as fast as zlib's CRC-32. */
export function checksum(at: i32, length: i32): i32 {
  const end = at + length;
  let hash: u64 = PRIME_5;
  if (length >= 32) {
    let a: u64 = PRIME_1 + PRIME_2;
    let b: u64 = PRIME_2;
    let c: u64 = 0;
    let d: u64 = 0 - PRIME_1;
    for (; at + 32 <= end; at += 32) {
      a = round(a, load<u64>(at));
      b = round(b, load<u64>(at, 8));
      c = round(c, load<u64>(at, 16));
      d = round(d, load<u64>(at, 24));
    }
    hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  }
  hash += <u64>length;
  for (; at + 8 <= end; at += 8) hash = rotl(hash ^ round(0, load<u64>(at)), 27) * PRIME_1 + PRIME_4;
  if (at + 4 <= end) {
    hash = rotl(hash ^ (<u64>load<u32>(at) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl(hash ^ (<u64>load<u8>(at) * PRIME_5), 11) * PRIME_1;
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return <i32>(hash ^ (hash >> 32));
}

/* Inflating: tables of codes at fixed places below 36 kB, everything else where the caller says. */
const LENGTHS: i32 = 64;
const COUNTS: i32 = 512;
const NEXT: i32 = 576;
const CODES_TABLE: i32 = 1024;
const LITERAL_TABLE: i32 = 2048;
const DISTANCE_TABLE: i32 = 26624;
const LITERAL_BITS: i32 = 11;
const DISTANCE_BITS: i32 = 9;
const CODES_BITS: i32 = 7;
const LONGEST_CODE: i32 = 15;

/*
 * What table entries are. Literals that were joined: bits 0..3 the length of their codes, bits 4..5 how many, from
 * bit 8 on themselves. All others: bits 0..3 the code's length, bits 8..12 the same with the bits that follow a
 * length's or a distance's code, from bit 16 on the value; and these flags.
 */
const IS_SYMBOL: i32 = 0x40;
const IS_SUBTABLE: i32 = 0x80;
const IS_LITERAL: i32 = 0x4000;
const IS_END: i32 = 0x8000;

/* What symbols mean. */
const PLAIN: i32 = 0;
const LITERALS: i32 = 1;
const DISTANCES: i32 = 2;

const CODE_ORDER = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]);
const LENGTH_BASES = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]);
const LENGTH_EXTRAS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
]);
const DISTANCE_BASES = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
]);
const DISTANCE_EXTRAS = memory.data<u8>([
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]);

/**
 * Makes the table of a canonical code from the lengths of its symbols. Codes longer than `bits` go through tables of
 * a second level. Entries of no code stay 0. False for lengths that zlib refuses, and some that it takes.
 */
function buildTable(kind: i32, lengths: i32, count: i32, table: i32, bits: i32): bool {
  memory.fill(COUNTS, 0, 64);
  for (let symbol = 0; symbol < count; symbol++) {
    const at = COUNTS + ((<i32>load<u8>(lengths + symbol)) << 2);
    store<i32>(at, load<i32>(at) + 1);
  }
  store<i32>(COUNTS, 0);
  let code = 0;
  let left = 1;
  let longest = 0;
  for (let length = 1; length <= LONGEST_CODE; length++) {
    const used = load<i32>(COUNTS + (length << 2));
    if (used != 0) longest = length;
    left = (left << 1) - used;
    if (left < 0) return false;
    code = (code + load<i32>(COUNTS + ((length - 1) << 2))) << 1;
    store<i32>(NEXT + (length << 2), code);
  }
  if (left > 0 && !(kind == DISTANCES && longest <= 1)) return false;

  const size = 1 << bits;
  const subBits = LONGEST_CODE - bits;
  if (left > 0) memory.fill(table, 0, size << 2);
  if (longest > bits) memory.fill(table, 0, size << 2);
  let nextSubtable = size;
  for (let symbol = 0; symbol < count; symbol++) {
    const length: i32 = load<u8>(lengths + symbol);
    if (length == 0) continue;
    const canonical = load<i32>(NEXT + (length << 2));
    store<i32>(NEXT + (length << 2), canonical + 1);
    const reversed = reverse(canonical, length);
    const entry = entryOf(kind, symbol, length);
    if (length <= bits) {
      for (let index = reversed; index < size; index += 1 << length) store<i32>(table + (index << 2), entry);
      continue;
    }
    const first = table + ((reversed & (size - 1)) << 2);
    let start = load<i32>(first) >>> 16;
    if (start == 0) {
      start = nextSubtable;
      nextSubtable += 1 << subBits;
      memory.fill(table + (start << 2), 0, 4 << subBits);
      store<i32>(first, (start << 16) | IS_SUBTABLE);
    }
    for (let index = reversed >>> bits; index < 1 << subBits; index += 1 << (length - bits)) {
      store<i32>(table + ((start + index) << 2), entry);
    }
  }
  return true;
}

function entryOf(kind: i32, symbol: i32, length: i32): i32 {
  let value = symbol;
  let extra = 0;
  let flags = IS_SYMBOL;
  if (kind == DISTANCES) {
    // Two distances of the fixed code don't exist.
    if (symbol > 29) return 0;
    value = load<u16>(DISTANCE_BASES + (symbol << 1));
    extra = load<u8>(DISTANCE_EXTRAS + symbol);
  } else if (kind == LITERALS) {
    if (symbol < 256) flags |= IS_LITERAL;
    else if (symbol == 256) flags |= IS_END;
    else if (symbol > 285) return 0;
    else {
      value = load<u16>(LENGTH_BASES + ((symbol - 257) << 1));
      extra = load<u8>(LENGTH_EXTRAS + symbol - 257);
    }
  }
  return (value << 16) | flags | ((length + extra) << 8) | length;
}

// @ts-ignore: decorator
@inline function reverse(code: i32, length: i32): i32 {
  let bits = ((code & 0x5555) << 1) | ((code >>> 1) & 0x5555);
  bits = ((bits & 0x3333) << 2) | ((bits >>> 2) & 0x3333);
  bits = ((bits & 0x0f0f) << 4) | ((bits >>> 4) & 0x0f0f);
  bits = ((bits & 0x00ff) << 8) | ((bits >>> 8) & 0x00ff);
  return bits >>> (16 - length);
}

/** Makes entries of literals stand for the literals that follow as well, up to three, where their codes fit in. */
function joinLiterals(): void {
  const size = 1 << LITERAL_BITS;
  // From the end: what an entry looks up, its own index without its lowest bits, has not been joined yet.
  for (let index = size - 1; index >= 0; index--) {
    const at = LITERAL_TABLE + (index << 2);
    const entry = load<i32>(at);
    if ((entry & IS_LITERAL) == 0) continue;
    let length = entry & 15;
    let literals = entry >>> 16;
    let count = 1;
    while (count < 3) {
      const next = load<i32>(LITERAL_TABLE + ((index >>> length) << 2));
      if ((next & IS_LITERAL) == 0 || length + (next & 15) > LITERAL_BITS) break;
      literals |= (next >>> 16) << (count << 3);
      length += next & 15;
      count++;
    }
    store<i32>(at, (literals << 8) | (count << 4) | length);
  }
}

/**
 * Inflates a deflate stream: `[from, end)` to `[out, outEnd)`, which it fills to the last byte. Answers where the
 * stream ended, or 0 for whatever is not just so. Reads up to 16 bytes beyond `end` and writes up to 300 beyond
 * `outEnd`.
 */
export function inflate(from: i32, end: i32, out: i32, outEnd: i32): i32 {
  const outStart = out;
  let at = from;
  let hold: u64 = 0;
  /** Bits in `hold`; above them may be more of the same bits. */
  let held: i32 = 0;
  let isLast = false;
  while (!isLast) {
    hold |= load<u64>(at) << held;
    at += (63 - held) >>> 3;
    held |= 56;
    isLast = (hold & 1) != 0;
    const kind = <i32>(hold >> 1) & 3;
    hold >>= 3;
    held -= 3;
    if (kind == 0) {
      hold >>= held & 7;
      held -= held & 7;
      at -= held >>> 3;
      const length: i32 = load<u16>(at);
      if ((length ^ <i32>load<u16>(at + 2)) != 0xffff) return 0;
      at += 4;
      if (at + length > end || out + length > outEnd) return 0;
      memory.copy(out, at, length);
      at += length;
      out += length;
      hold = 0;
      held = 0;
      continue;
    }
    if (kind == 3) return 0;
    if (kind == 1) {
      memory.fill(LENGTHS, 8, 144);
      memory.fill(LENGTHS + 144, 9, 112);
      memory.fill(LENGTHS + 256, 7, 24);
      memory.fill(LENGTHS + 280, 8, 8);
      if (!buildTable(LITERALS, LENGTHS, 288, LITERAL_TABLE, LITERAL_BITS)) return 0;
      memory.fill(LENGTHS, 5, 32);
      if (!buildTable(DISTANCES, LENGTHS, 32, DISTANCE_TABLE, DISTANCE_BITS)) return 0;
    } else {
      const literals = (<i32>hold & 31) + 257;
      const distances = (<i32>(hold >> 5) & 31) + 1;
      const codes = (<i32>(hold >> 10) & 15) + 4;
      hold >>= 14;
      held -= 14;
      if (literals > 286 || distances > 30) return 0;
      memory.fill(LENGTHS, 0, 19);
      for (let index = 0; index < codes; index++) {
        if (held < 3) {
          hold |= load<u64>(at) << held;
          at += (63 - held) >>> 3;
          held |= 56;
        }
        store<u8>(LENGTHS + <i32>load<u8>(CODE_ORDER + index), <u8>(hold & 7));
        hold >>= 3;
        held -= 3;
      }
      if (!buildTable(PLAIN, LENGTHS, 19, CODES_TABLE, CODES_BITS)) return 0;
      const all = literals + distances;
      let known = 0;
      let last: u8 = 0;
      while (known < all) {
        hold |= load<u64>(at) << held;
        at += (63 - held) >>> 3;
        held |= 56;
        const entry = load<i32>(CODES_TABLE + ((<i32>hold & 127) << 2));
        hold >>= entry & 15;
        held -= entry & 15;
        const symbol = entry >>> 16;
        if (symbol < 16) {
          last = <u8>symbol;
          store<u8>(LENGTHS + known++, last);
          continue;
        }
        let repeats: i32;
        if (symbol == 16) {
          if (known == 0) return 0;
          repeats = 3 + (<i32>hold & 3);
          hold >>= 2;
          held -= 2;
        } else if (symbol == 17) {
          repeats = 3 + (<i32>hold & 7);
          hold >>= 3;
          held -= 3;
          last = 0;
        } else {
          repeats = 11 + (<i32>hold & 127);
          hold >>= 7;
          held -= 7;
          last = 0;
        }
        if (known + repeats > all) return 0;
        memory.fill(LENGTHS + known, last, repeats);
        known += repeats;
      }
      if (load<u8>(LENGTHS + 256) == 0) return 0;
      if (!buildTable(DISTANCES, LENGTHS + literals, distances, DISTANCE_TABLE, DISTANCE_BITS)) return 0;
      if (!buildTable(LITERALS, LENGTHS, literals, LITERAL_TABLE, LITERAL_BITS)) return 0;
    }
    joinLiterals();

    while (true) {
      if (at > end + 8 || out > outEnd) return 0;
      hold |= load<u64>(at) << held;
      at += (63 - held) >>> 3;
      held |= 56;
      let entry = load<i32>(LITERAL_TABLE + ((<i32>hold & ((1 << LITERAL_BITS) - 1)) << 2));
      // Three times eleven bits of literals, and there is enough left for what comes then.
      if (entry & 0x30) {
        store<u32>(out, entry >>> 8);
        out += (entry >>> 4) & 3;
        hold >>= entry & 15;
        held -= entry & 15;
        entry = load<i32>(LITERAL_TABLE + ((<i32>hold & ((1 << LITERAL_BITS) - 1)) << 2));
        if (entry & 0x30) {
          store<u32>(out, entry >>> 8);
          out += (entry >>> 4) & 3;
          hold >>= entry & 15;
          held -= entry & 15;
          entry = load<i32>(LITERAL_TABLE + ((<i32>hold & ((1 << LITERAL_BITS) - 1)) << 2));
          if (entry & 0x30) {
            store<u32>(out, entry >>> 8);
            out += (entry >>> 4) & 3;
            hold >>= entry & 15;
            held -= entry & 15;
            continue;
          }
        }
        hold |= load<u64>(at) << held;
        at += (63 - held) >>> 3;
        held |= 56;
      }
      if (entry & IS_SUBTABLE) {
        const further = <i32>(hold >> LITERAL_BITS) & ((1 << (LONGEST_CODE - LITERAL_BITS)) - 1);
        entry = load<i32>(LITERAL_TABLE + (((entry >>> 16) + further) << 2));
      }
      if (entry & (IS_LITERAL | IS_END)) {
        hold >>= entry & 15;
        held -= entry & 15;
        if (entry & IS_END) break;
        store<u8>(out++, <u8>(entry >>> 16));
        continue;
      }
      if (entry == 0) return 0;
      const lengthBits = (entry >>> 8) & 31;
      const length = (entry >>> 16) + (<i32>(hold & ((<u64>1 << lengthBits) - 1)) >>> (entry & 15));
      hold >>= lengthBits;
      held -= lengthBits;
      entry = load<i32>(DISTANCE_TABLE + ((<i32>hold & ((1 << DISTANCE_BITS) - 1)) << 2));
      if (entry & IS_SUBTABLE) {
        const further = <i32>(hold >> DISTANCE_BITS) & ((1 << (LONGEST_CODE - DISTANCE_BITS)) - 1);
        entry = load<i32>(DISTANCE_TABLE + (((entry >>> 16) + further) << 2));
      }
      if (entry == 0) return 0;
      const distanceBits = (entry >>> 8) & 31;
      const distance = (entry >>> 16) + (<i32>(hold & ((<u64>1 << distanceBits) - 1)) >>> (entry & 15));
      hold >>= distanceBits;
      held -= distanceBits;
      let source = out - distance;
      if (source < outStart) return 0;
      const to = out + length;
      if (to > outEnd) return 0;
      if (distance >= 16) {
        do {
          v128.store(out, v128.load(source));
          out += 16;
          source += 16;
        } while (out < to);
      } else if (distance == 1) {
        const bytes = i8x16.splat(load<u8>(source));
        do {
          v128.store(out, bytes);
          out += 16;
        } while (out < to);
      } else {
        do store<u8>(out++, load<u8>(source++));
        while (out < to);
      }
      out = to;
    }
  }
  at -= held >>> 3;
  return out == outEnd && at <= end ? at : 0;
}

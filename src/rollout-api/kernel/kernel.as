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

/** Row orders that depend on nothing but seed and epoch, so that a resumed run sees the same. */

/** The numbers 0..length-1 in an order all their own for each seed and epoch (Fisher-Yates). */
export function shuffledOrder(length: number, { seed, epoch }: { seed: number; epoch: number }): Uint32Array {
  const order = Uint32Array.from({ length }, (_, index) => index);
  const random = randomNumbers(seed, epoch);
  for (let last = length - 1; last > 0; last--) {
    const chosen = Math.floor(random() * (last + 1));
    const kept = order[last] ?? 0;
    order[last] = order[chosen] ?? 0;
    order[chosen] = kept;
  }
  return order;
}

/** sfc32: uniform numbers in [0, 1), 32 random bits each. */
function randomNumbers(seed: number, epoch: number): () => number {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = epoch | 0;
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first numbers still show the seed.
  for (let round = 0; round < 16; round++) next();
  return next;
}

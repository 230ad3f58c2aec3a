/**
 * What the transformer does besides multiplying matrices, forward and backward, over the kernel's memory.
 * Offsets are in floats. Backward functions add to the gradients they are given unless they say otherwise.
 */

const NORM_EPSILON = 1e-5;

/** out = x / rms(x) · gain for each row; `inverse[row]` keeps 1 / rms. */
export function normalize(
  f: Float32Array,
  { x, out, rows, width }: { x: number; out: number; rows: number; width: number },
  gain: Float32Array,
  inverse: Float32Array,
): void {
  for (let row = 0; row < rows; row++) {
    const from = x + row * width;
    const to = out + row * width;
    let squares = 0;
    for (let i = 0; i < width; i++) squares += f[from + i]! * f[from + i]!;
    const scale = 1 / Math.sqrt(squares / width + NORM_EPSILON);
    inverse[row] = scale;
    for (let i = 0; i < width; i++) f[to + i] = f[from + i]! * scale * gain[i]!;
  }
}

/** Adds to `dx` and `dGain` what `dOut` says; `x` and `inverse` are those of the forward pass. */
export function normalizeBackward(
  f: Float32Array,
  { x, dOut, dx, rows, width }: { x: number; dOut: number; dx: number; rows: number; width: number },
  gain: Float32Array,
  inverse: Float32Array,
  dGain: Float32Array,
): void {
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    const scale = inverse[row]!;
    let dot = 0;
    for (let i = 0; i < width; i++) {
      const through = f[dOut + at + i]! * f[x + at + i]!;
      dGain[i] = dGain[i]! + through * scale;
      dot += through * gain[i]!;
    }
    const pull = (dot * scale * scale) / width;
    for (let i = 0; i < width; i++) {
      f[dx + at + i] = f[dx + at + i]! + scale * (f[dOut + at + i]! * gain[i]! - f[x + at + i]! * pull);
    }
  }
}

/**
 * Softmax of each row of a square matrix of scores in place, times `scale`, over the columns up to the row's own
 * number plus `offset`; the rest of the row, padding included, becomes 0.
 */
export function causalSoftmax(
  f: Float32Array,
  { at, rows, stride, offset }: { at: number; rows: number; stride: number; offset: number },
  scale: number,
): void {
  for (let row = 0; row < rows; row++) {
    const from = at + row * stride;
    const seen = row + offset + 1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < seen; i++) if (f[from + i]! > highest) highest = f[from + i]!;
    let sum = 0;
    for (let i = 0; i < seen; i++) {
      const weight = Math.exp((f[from + i]! - highest) * scale);
      f[from + i] = weight;
      sum += weight;
    }
    const share = 1 / sum;
    for (let i = 0; i < seen; i++) f[from + i] = f[from + i]! * share;
    f.fill(0, from + seen, from + stride);
  }
}

/** Turns the gradient by the probabilities of `causalSoftmax`, in place, into that by its scores. */
export function causalSoftmaxBackward(
  f: Float32Array,
  {
    probabilities,
    gradient,
    rows,
    stride,
  }: { probabilities: number; gradient: number; rows: number; stride: number },
  scale: number,
): void {
  for (let row = 0; row < rows; row++) {
    const p = probabilities + row * stride;
    const d = gradient + row * stride;
    let dot = 0;
    for (let i = 0; i <= row; i++) dot += f[d + i]! * f[p + i]!;
    for (let i = 0; i <= row; i++) f[d + i] = f[p + i]! * (f[d + i]! - dot) * scale;
    f.fill(0, d + row + 1, d + stride);
  }
}

export function addInto(f: Float32Array, from: number, to: number, count: number): void {
  for (let i = 0; i < count; i++) f[to + i] = f[to + i]! + f[from + i]!;
}

/**
 * Cuts what is below 0. By its sign bit: half of the values are, in no order, and a processor that guesses wrong
 * every other time takes four times as long.
 */
export function relu(f: Float32Array, at: number, count: number): void {
  const bits = new Int32Array(f.buffer, f.byteOffset + at * 4, count);
  for (let i = 0; i < count; i++) bits[i] = bits[i]! & ~(bits[i]! >> 31);
}

/** Stops the gradient where the forward value was cut to 0; `value` is what `relu` left, so its bits are 0 there. */
export function reluBackward(f: Float32Array, value: number, gradient: number, count: number): void {
  const values = new Int32Array(f.buffer, f.byteOffset + value * 4, count);
  const gradients = new Int32Array(f.buffer, f.byteOffset + gradient * 4, count);
  for (let i = 0; i < count; i++) gradients[i] = gradients[i]! & (-values[i]! >> 31);
}

/**
 * Turns a row of logits in place into probabilities and answers the log-probability of `target`, at temperature 1.
 */
export function logSoftmax(f: Float32Array, at: number, count: number, target: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = at; i < at + count; i++) if (f[i]! > highest) highest = f[i]!;
  const chosen = f[at + target]! - highest;
  let sum = 0;
  for (let i = at; i < at + count; i++) {
    const weight = Math.exp(f[i]! - highest);
    f[i] = weight;
    sum += weight;
  }
  const share = 1 / sum;
  for (let i = at; i < at + count; i++) f[i] = f[i]! * share;
  return chosen - Math.log(sum);
}

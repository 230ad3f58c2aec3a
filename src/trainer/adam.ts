/** Adam (Kingma and Ba 2015) over one flat array of weights, with a limit on the gradient's length. */

export type AdamOptions = {
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Gradients longer than this are scaled to it. Default 1. */
  maxGradientNorm?: number;
};

/** What a checkpoint needs besides the weights. */
export type AdamState = { steps: number; mean: Float32Array; variance: Float32Array };

export class Adam {
  readonly #options: Required<AdamOptions>;
  readonly #mean: Float32Array;
  readonly #variance: Float32Array;
  #steps = 0;

  constructor(size: number, options: AdamOptions = {}) {
    this.#options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, maxGradientNorm: 1, ...options };
    this.#mean = new Float32Array(size);
    this.#variance = new Float32Array(size);
  }

  /** Changes `weights`; answers the gradient's length before it was limited. A gradient of 0 changes nothing. */
  step(weights: Float32Array, gradient: Float32Array, learningRate: number): number {
    const { beta1, beta2, epsilon, maxGradientNorm } = this.#options;
    let squares = 0;
    for (const value of gradient) squares += value * value;
    const norm = Math.sqrt(squares);
    if (norm === 0) return 0;
    const scale = norm > maxGradientNorm ? maxGradientNorm / norm : 1;
    this.#steps += 1;
    const correction1 = 1 - beta1 ** this.#steps;
    const correction2 = 1 - beta2 ** this.#steps;
    for (let i = 0; i < weights.length; i++) {
      const slope = (gradient[i] ?? 0) * scale;
      const mean = beta1 * (this.#mean[i] ?? 0) + (1 - beta1) * slope;
      const variance = beta2 * (this.#variance[i] ?? 0) + (1 - beta2) * slope * slope;
      this.#mean[i] = mean;
      this.#variance[i] = variance;
      const move = mean / correction1 / (Math.sqrt(variance / correction2) + epsilon);
      weights[i] = (weights[i] ?? 0) - learningRate * move;
    }
    return norm;
  }

  state(): AdamState {
    return { steps: this.#steps, mean: this.#mean.slice(), variance: this.#variance.slice() };
  }

  restore({ steps, mean, variance }: AdamState): void {
    this.#steps = steps;
    this.#mean.set(mean);
    this.#variance.set(variance);
  }
}

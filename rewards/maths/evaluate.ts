/**
 * Evaluates expressions to 64 digits with mathjs. Only its functions are called, one per node of a tree that
 * our parser built: mathjs never sees text. What has no value of its own (a variable, `f(x)`, an infinite
 * sum) gets a random one that depends on its name and the point, so that equal expressions agree.
 *
 * Steps are counted, and arguments bounded before they reach a function whose time depends on their size.
 */
import { createRequire } from "node:module";
import type { BigNumber, Complex, MathJsInstance } from "mathjs";
import { derivative, endlessSum, integral, limit, type RealFunction } from "./calculus.ts";
import { canonicalKey } from "./canonical-key.ts";
import { type ConstantName, type Expression, isInfinity, UnreadableMaths } from "./expression.ts";
import { trigonometric } from "./trigonometry.ts";

export type Value = BigNumber | Complex;
type Bound = ReadonlyMap<string, Value>;

/** mathjs takes a tenth of a second to load; most answers are compared exactly and don't need it. */
function loadMathjs(): MathJsInstance {
  return createRequire(import.meta.url)("mathjs/lib/browser/math.js");
}

const maxTerms = 300;
const costs: Record<string, number> = { power: 12, root: 12, ln: 8, factorial: 20, binomial: 60 };
const nothingBound: Bound = new Map();

export class Evaluator {
  readonly math: MathJsInstance;
  #stepsLeft: number;
  /** Variables that stand for whole numbers. */
  wholeNames: readonly string[] = [];

  constructor(maxSteps: number) {
    this.math = loadMathjs();
    this.#stepsLeft = maxSteps;
  }

  /** `point` chooses the values of the variables. Throws `UnreadableMaths` where there is no value. */
  evaluate(expression: Expression, point = 0, bound: Bound = nothingBound): Value {
    this.spend(1);
    switch (expression.kind) {
      case "number": {
        const { numerator, denominator } = expression.value;
        return this.#value(this.math.divide(this.number(`${numerator}`), this.number(`${denominator}`)));
      }
      case "constant":
        return this.#constant(expression.name);
      case "symbol":
        return bound.get(expression.name) ?? this.random(expression.name, point);
      case "application":
      case "text":
        return this.random(canonicalKey(expression), point);
      case "call":
        return this.#call(expression.name, expression.args, point, bound, expression);
      default:
        throw new UnreadableMaths(`a ${expression.kind} is no number`);
    }
  }

  readonly number = (value: string | number): BigNumber => this.math.bignumber(value);

  isComplex(value: Value): value is Complex {
    return this.math.isComplex(value);
  }

  toComplex(value: Value): Complex {
    return this.isComplex(value) ? value : this.math.complex(value.toNumber(), 0);
  }

  spend(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0) throw new UnreadableMaths("too long to evaluate");
  }

  /** Between 0.5 and 3.5, and below zero at odd points for half of the names. */
  random(name: string, point: number): BigNumber {
    let hash = 2_166_136_261 ^ (point * 0x9e3779b1);
    for (let index = 0; index < name.length; index++)
      hash = Math.imul(hash ^ name.charCodeAt(index), 16_777_619);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
    if (this.wholeNames.includes(name)) return this.number(2 + ((hash + 3 * point) % 13));
    const size = 0.5 + (hash % 30_011) / 10_007;
    return this.number((point % 2 === 1 && (hash & 1) === 1 ? -size : size).toFixed(12));
  }

  #constant(name: ConstantName): Value {
    if (name === "pi") return this.#value(this.math.acos(this.number(-1)));
    if (name === "e") return this.#value(this.math.exp(this.number(1)));
    if (name === "i") return this.math.complex(0, 1);
    return this.number(Number.POSITIVE_INFINITY);
  }

  #call(name: string, args: readonly Expression[], point: number, bound: Bound, whole: Expression): Value {
    if (name === "sum" || name === "prod") return this.#series(name, args, point, bound, whole);
    if (name === "lim" || name === "int" || name === "derive")
      return this.#calculus(name, args, point, bound) ?? this.random(canonicalKey(whole), point);
    if (name === "det") return this.#determinant(args, point, bound, whole);
    const values = args.map((part) => this.evaluate(part, point, bound));
    const [left, right] = values;
    if (left === undefined) throw new UnreadableMaths(`${name} of nothing`);
    this.spend(costs[name] ?? 3);
    return this.#value(
      right === undefined ? this.#unary(name, left) : this.#binary(name, left, right, values),
    );
  }

  #unary(name: string, value: Value): unknown {
    const { math } = this;
    switch (name) {
      case "negate":
        return math.unaryMinus(value);
      case "percent":
        return math.divide(value, this.number(100));
      case "degree":
        return value;
      case "sqrt":
        return math.sqrt(value);
      case "abs":
        return math.abs(value);
      case "ln":
        return math.log(value);
      case "factorial":
        return this.#factorial(value);
      case "floor":
        return math.floor(value);
      case "ceil":
        return math.ceil(value);
      case "min":
      case "max":
        return value;
    }
    const isHyperbolic = /^(?:sinh|cosh|tanh|coth|sech|csch)$/.test(name);
    return trigonometric(this.math, name, this.#upTo(value, isHyperbolic ? 1_000 : 1e6));
  }

  #binary(name: string, left: Value, right: Value, values: readonly Value[]): unknown {
    const { math } = this;
    switch (name) {
      case "add":
        return math.add(left, right);
      case "multiply":
        return math.multiply(left, right);
      case "divide":
        if (Number(math.abs(right)) === 0) throw new UnreadableMaths("a division by zero");
        return math.divide(left, right);
      case "power":
        return this.#power(left, right);
      case "root":
        return this.#root(left, right);
      case "mod":
        if (this.isComplex(left) || this.isComplex(right))
          throw new UnreadableMaths("a remainder of complex numbers");
        return math.mod(left, right);
      case "gcd":
      case "lcm":
        return values.reduce((all, value) => this.#divisorOrMultiple(name, all, value));
      case "binomial":
        return this.#binomial(left, right);
      case "min":
      case "max":
        return values.reduce((best, value) =>
          Number(math.subtract(value, best)) < 0 === (name === "min") ? value : best,
        );
      default:
        throw new UnreadableMaths(`${name} has no value`);
    }
  }

  #power(base: Value, exponent: Value): unknown {
    const { math } = this;
    const size = Math.abs(Math.log(Number(math.abs(base)) || 1)) * Number(math.abs(exponent));
    if (!(size < 1e5)) throw new UnreadableMaths("a power too large to compute");
    return math.pow(base, exponent);
  }

  /** Odd roots of negative numbers are negative. */
  #root(radicand: Value, index: Value): unknown {
    const { math } = this;
    if (this.isComplex(radicand) || this.isComplex(index))
      throw new UnreadableMaths("a root of a complex number");
    if (index.isZero() || index.abs().gt(1_000)) throw new UnreadableMaths("a root of that order");
    if (!index.isInteger()) return this.#power(radicand, this.number(1).div(index));
    const isOddRoot = radicand.isNegative() && !index.mod(2).isZero();
    const root = math.pow(isOddRoot ? radicand.neg() : radicand, this.number(1).div(index));
    return isOddRoot ? math.unaryMinus(this.#value(root)) : root;
  }

  /** mathjs has no gamma function of many digits: the digits of one shared factor are those of a double. */
  #factorial(value: Value): BigNumber {
    if (this.isComplex(value) || value.abs().gt(500))
      throw new UnreadableMaths("a factorial too large to evaluate");
    const fraction = value.minus(value.floor());
    if (value.isNegative() && fraction.isZero())
      throw new UnreadableMaths("a factorial of a negative number");
    let product = this.number(fraction.isZero() ? 1 : this.math.gamma(fraction.toNumber() + 1));
    for (let factor = value; factor.gte(1); factor = factor.minus(1)) product = product.times(factor);
    for (let factor = fraction; factor.gt(value); factor = factor.minus(1)) product = product.div(factor);
    return product;
  }

  #binomial(from: Value, chosen: Value): BigNumber {
    const rest = this.#value(this.math.subtract(from, chosen));
    return this.#factorial(from).div(this.#factorial(chosen).times(this.#factorial(rest)));
  }

  #series(name: string, args: readonly Expression[], point: number, bound: Bound, whole: Expression): Value {
    const [variable, lower, upper, body] = args;
    const from = lower === undefined ? null : this.#wholeNumber(lower, point, bound);
    const to = upper === undefined ? null : this.#wholeNumber(upper, point, bound);
    const isShort = from !== null && to !== null && to - from < maxTerms;
    if (variable?.kind !== "symbol" || body === undefined) return this.random(canonicalKey(whole), point);
    if (!isShort) {
      const isEndless = name === "sum" && from !== null && upper !== undefined && isInfinity(upper);
      const term = this.#asFunction(body, variable.name, point, bound);
      const sum = isEndless ? endlessSum(term, this.number(from), this.number) : null;
      return sum ?? this.random(canonicalKey(whole), point);
    }
    let total: Value = this.number(name === "sum" ? 0 : 1);
    for (let index = from; index <= to; index++) {
      const term = this.evaluate(body, point, new Map([...bound, [variable.name, this.number(index)]]));
      total = this.#value(name === "sum" ? this.math.add(total, term) : this.math.multiply(total, term));
    }
    return total;
  }

  #wholeNumber(border: Expression, point: number, bound: Bound): number | null {
    const value = this.evaluate(border, point, bound);
    return this.isComplex(value) || !value.isInteger() || value.abs().gt(1e9) ? null : value.toNumber();
  }

  /** Null where there is no such value, or none that can be told. */
  #calculus(name: string, args: readonly Expression[], point: number, bound: Bound): Value | null {
    const [variable, first, second, third] = args;
    if (variable?.kind !== "symbol" || first === undefined) return null;
    const body = name === "derive" ? first : name === "lim" ? second : third;
    if (body === undefined) return null;
    const of = this.#asFunction(body, variable.name, point, bound);
    const at = this.evaluate(name === "derive" ? variable : first, point, bound);
    if (this.isComplex(at)) return null;
    if (name === "derive") return derivative(of, at, this.number);
    if (name === "lim") return limit(of, at, this.number);
    const to = second === undefined ? at : this.evaluate(second, point, bound);
    return this.isComplex(to) ? null : integral(of, at, to, this.number);
  }

  #asFunction(body: Expression, variable: string, point: number, bound: Bound): RealFunction {
    return (at) => {
      try {
        const value = this.evaluate(body, point, new Map([...bound, [variable, at]]));
        return this.isComplex(value) ? null : value;
      } catch (error) {
        if (!(error instanceof UnreadableMaths)) throw error;
        this.spend(0);
        return null;
      }
    };
  }

  #divisorOrMultiple(name: "gcd" | "lcm", left: Value, right: Value): Value {
    const isWhole = (value: Value): value is BigNumber =>
      !this.isComplex(value) && value.isInteger() && value.abs().lt(1e15);
    if (!isWhole(left) || !isWhole(right))
      throw new UnreadableMaths(`a ${name} of numbers that aren't small and whole`);
    return this.#value(name === "gcd" ? this.math.gcd(left, right) : this.math.lcm(left, right));
  }

  #determinant(args: readonly Expression[], point: number, bound: Bound, whole: Expression): Value {
    const [matrix] = args;
    if (matrix?.kind !== "matrix" || matrix.rows.some((row) => row.length !== matrix.rows.length))
      return this.random(canonicalKey(whole), point);
    if (matrix.rows.length > 8) throw new UnreadableMaths("a determinant too large to evaluate");
    this.spend(matrix.rows.length ** 3);
    const rows = matrix.rows.map((row) => row.map((item) => this.evaluate(item, point, bound)));
    return this.#value(this.math.det(this.math.matrix(rows)));
  }

  #upTo(value: Value, limit: number): Value {
    if (!(Math.abs(Number(this.math.abs(value))) <= limit))
      throw new UnreadableMaths("an argument too large to evaluate");
    return value;
  }

  /** A complex value stays one even where it is real: it has the digits of a double only. */
  #value(result: unknown): Value {
    if (this.math.isBigNumber(result)) {
      if (result.isNaN()) throw new UnreadableMaths("there is no value");
      return result;
    }
    if (this.math.isComplex(result)) {
      if (!Number.isFinite(result.re) || !Number.isFinite(result.im))
        throw new UnreadableMaths("there is no finite value");
      return result;
    }
    if (typeof result === "number") return this.number(result);
    throw new UnreadableMaths("there is no value");
  }
}

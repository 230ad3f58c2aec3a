import { expect, test } from "vitest";
import { Adam } from "../../src/trainer/adam.ts";

test("the first step moves every weight by the learning rate against its slope", () => {
  const weights = Float32Array.of(1, 1, 1);
  const norm = new Adam(3).step(weights, Float32Array.of(0.3, -0.4, 0), 0.01);
  expect(norm).toBeCloseTo(0.5);
  expect([...weights].map((value) => value.toFixed(4))).toEqual(["0.9900", "1.0100", "1.0000"]);
});

test("a long gradient is cut to the limit, and its true length is answered", () => {
  const [cut, plain] = [Float32Array.of(0, 0), Float32Array.of(0, 0)];
  const [limited, free] = [new Adam(2, { epsilon: 1 }), new Adam(2, { epsilon: 1 })];
  expect(limited.step(cut, Float32Array.of(30, 40), 1)).toBeCloseTo(50);
  free.step(plain, Float32Array.of(0.6, 0.8), 1);
  expect([...cut]).toEqual([...plain].map((value) => expect.closeTo(value, 5)));
});

test("goes on from a saved state as if it had never stopped", () => {
  const gradients = Array.from({ length: 6 }, (_, step) => Float32Array.of(Math.sin(step), Math.cos(step)));
  const whole = Float32Array.of(0, 0);
  const one = new Adam(2);
  for (const gradient of gradients) one.step(whole, gradient, 0.1);

  const parts = Float32Array.of(0, 0);
  const first = new Adam(2);
  for (const gradient of gradients.slice(0, 3)) first.step(parts, gradient, 0.1);
  const second = new Adam(2);
  second.restore(first.state());
  for (const gradient of gradients.slice(3)) second.step(parts, gradient, 0.1);
  expect(parts).toEqual(whole);
});

test("finds the lowest point of a bowl", () => {
  const weights = Float32Array.of(5, -3);
  const adam = new Adam(2);
  for (let step = 0; step < 400; step++) {
    adam.step(weights, Float32Array.of(2 * (weights[0]! - 1), 2 * (weights[1]! - 2)), 0.1 / (1 + step / 50));
  }
  expect(weights[0]).toBeCloseTo(1, 1);
  expect(weights[1]).toBeCloseTo(2, 1);
});

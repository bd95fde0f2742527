/**
 * The Gaussian of σ = 1.5 as the official tool applies it: "Recursive Implementation of the Gaussian Filter Using
 * Truncated Cosine Functions" (Charalampidis, 2016), three recursions y[n] = n2·(x[n−N−1] + x[n+N−1]) − d1·y[n−1] − y[n−2]
 * whose sum is the blurred value. What lies outside the image is zero.
 */
export const radius = 5;
const sigma = 1.5;

/** The two factors of each of the three recursions. Numbers in brackets are the paper's equations. */
export function recursions(): { n2: number; d1: number }[] {
  const omega = [1, 3, 5].map(k => (k * Math.PI) / (2 * radius));
  // (37), (44), (50)
  const p = omega.map((each, index) => (index === 1 ? -1 : 1) / Math.tan(0.5 * each));
  const r = omega.map((each, index) => ((index === 1 ? -1 : 1) * p[index]! ** 2) / Math.sin(each));
  const rho = omega.map(each => Math.exp(-0.5 * sigma ** 2 * each ** 2) / radius);
  // (52)
  const cross = (one: number, other: number) => p[one]! * r[other]! - r[one]! * p[other]!;
  const zeta15 = cross(1, 2) / cross(0, 1);
  const zeta35 = cross(2, 0) / cross(0, 1);
  // (53) to (56)
  const beta = solve(
    [p, r, [zeta15, zeta35, 1]],
    [1, radius ** 2 - sigma ** 2, zeta15 * rho[0]! + zeta35 * rho[1]! + rho[2]!],
  );
  // (33)
  return omega.map((each, index) => ({
    n2: -beta[index]! * Math.cos(each * (radius + 1)),
    d1: -2 * Math.cos(each),
  }));
}

/** Cramer's rule for three unknowns. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const whole = determinant(matrix);
  return [0, 1, 2].map(column => {
    const replaced = matrix.map((row, index) => row.map((value, at) => (at === column ? right[index]! : value)));
    return determinant(replaced) / whole;
  });
}

function determinant(m: readonly (readonly number[])[]): number {
  const minor = (a: number, b: number) => m[1]![a]! * m[2]![b]! - m[1]![b]! * m[2]![a]!;
  return m[0]![0]! * minor(1, 2) - m[0]![1]! * minor(0, 2) + m[0]![2]! * minor(0, 1);
}

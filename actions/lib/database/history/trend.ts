/** One measurement. */
export interface Point {
  at: Date;
  value: number;
}

const dayMs = 86_400_000;

/**
 * The median of the slopes of all pairs, per day: up to 29 % of the points may be anything at all before it moves (Theil
 * 1950, Sen 1968). Undefined for fewer than three points.
 */
export function theilSen(points: readonly Point[]): { perDay: number; valueAt: (at: Date) => number } | undefined {
  const used = thinned(points);
  if (used.length < 3) return undefined;
  const slopes: number[] = [];
  for (const [index, a] of used.entries()) {
    for (const b of used.slice(index + 1)) {
      const days = (b.at.getTime() - a.at.getTime()) / dayMs;
      if (days > 0) slopes.push((b.value - a.value) / days);
    }
  }
  if (slopes.length === 0) return undefined;
  const perDay = median(slopes);
  const start = used[0]!.at.getTime();
  const offset = median(used.map(({ at, value }) => value - (perDay * (at.getTime() - start)) / dayMs));
  return { perDay, valueAt: at => offset + (perDay * (at.getTime() - start)) / dayMs };
}

const shortestDays = 3;

/** Growth in a day; undefined where the points span less than three. */
export function dailyGrowth(points: readonly Point[]): number | undefined {
  if (spanDays(points) < shortestDays) return undefined;
  return theilSen(points)?.perDay ?? (points.length === 2 ? slope(points[0]!, points[1]!) : undefined);
}

export type Saturation =
  | { kind: 'too short'; points: number; days: number }
  | { kind: 'not growing' }
  /** `days` from the last point. */
  | { kind: 'full'; at: Date; days: number };

const fewestPoints = 8;
/** Further ahead a straight line says nothing. */
const furthestDays = 365;

/** When a straight line through the points reaches the limit. */
export function saturation(points: readonly Point[], limit: number): Saturation {
  const days = spanDays(points);
  const line = theilSen(points);
  if (points.length < fewestPoints || days < shortestDays || !line)
    return { kind: 'too short', points: points.length, days };
  if (line.perDay <= 0) return { kind: 'not growing' };
  const last = points.reduce((a, b) => (a.at > b.at ? a : b)).at;
  const daysLeft = Math.max(0, (limit - line.valueAt(last)) / line.perDay);
  if (daysLeft > furthestDays) return { kind: 'not growing' };
  return { kind: 'full', at: new Date(last.getTime() + daysLeft * dayMs), days: daysLeft };
}

/** All pairs of a thousand points are half a million: enough, and quick. */
const mostPoints = 1000;

function thinned(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.at.getTime() - b.at.getTime());
  if (sorted.length <= mostPoints) return sorted;
  const step = sorted.length / mostPoints;
  return Array.from({ length: mostPoints }, (_, index) => sorted[Math.floor(index * step)]!);
}

function spanDays(points: readonly Point[]): number {
  if (points.length === 0) return 0;
  const times = points.map(({ at }) => at.getTime());
  return (Math.max(...times) - Math.min(...times)) / dayMs;
}

function slope(a: Point, b: Point): number {
  return (b.value - a.value) / ((b.at.getTime() - a.at.getTime()) / dayMs);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

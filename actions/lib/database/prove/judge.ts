import type { Measurement } from './measurement.ts';

export type Change = 'faster' | 'same' | 'slower';

/** A tenth: what is less is within what a repeated measurement of the same thing gives. */
const margin = 1.1;
/** Blocks and milliseconds below which a ratio says nothing: a root page more is no regression. */
const floorBuffers = 3;
const floorMs = 0.05;

/**
 * Time alone lies on a busy machine, and blocks alone lie about work in memory: a change counts when both point the
 * same way, or when one does clearly and the other does not speak against it.
 */
export function judge(before: Measurement, after: Measurement): Change {
  if (before.limitMs !== undefined) return after.limitMs === undefined ? 'faster' : 'same';
  if (after.limitMs !== undefined) return 'slower';
  const time = ratio(before.ms, after.ms, floorMs);
  const work = ratio(before.buffers + before.tempBlocks, after.buffers + after.tempBlocks, floorBuffers);
  if (time > margin && work > margin) return 'slower';
  // Blocks alike, and the fastest run after it is slower by half than the slowest before: no noise.
  if (ratio(before.slowestMs, after.fastestMs, floorMs) > 1.5) return 'slower';
  if (time < 1 / margin && work < margin) return 'faster';
  if (work < 1 / margin && time < 1) return 'faster';
  // More blocks in memory, and still faster in every run: a scan was traded for many small reads.
  if (ratio(before.fastestMs, after.slowestMs, floorMs) < 1 / margin) return 'faster';
  return 'same';
}

/** Share of its time that a statement loses; negative when it gains. A time limit counts as the time. */
export function savedShare(before: Measurement, after: Measurement): number {
  return before.ms <= 0 ? 0 : 1 - after.ms / before.ms;
}

/** 1 when both are the same within the floor. */
function ratio(before: number, after: number, floor: number): number {
  if (Math.abs(after - before) < floor) return 1;
  return after / Math.max(before, Number.MIN_VALUE);
}

import { formatBytes, formatRatio } from '../log/index.ts';
import type { Annotation, Report } from '../reports/index.ts';
import type { AssetsData } from './data.ts';

/** A step shows ten of each level (GitHub, "Workflow commands"): the gravest come first. */
const mostOfEach = 10;

export function annotationsOf({ data }: Pick<Report<AssetsData>, 'data'>): Annotation[] {
  if (!data) return [];
  const heavy = data.changes
    .filter(({ isHeavy, isTaken }) => isHeavy && !isTaken)
    .map(
      ({ path, before, after }): Annotation => ({
        level: 'error',
        file: path,
        title: 'Heavy image',
        message: `It could be ${formatRatio(1 - after / before)} smaller at the target: ${formatBytes(before)} → ${formatBytes(after)}`,
      }),
    );
  const overBudget = data.budgets
    .filter(({ kind, isBroken }) => isBroken && (kind === 'perFile' || kind === 'perMegapixel'))
    .map(
      ({ target, bytes, limitBytes }): Annotation => ({
        level: 'error',
        file: target,
        title: 'Over its budget',
        message: `It weighs ${formatBytes(bytes)}, and the budget is ${formatBytes(limitBytes)}`,
      }),
    );
  const left = data.left.map(
    ({ path, reason, isDamaged }): Annotation => ({
      level: isDamaged ? 'error' : 'warning',
      file: path,
      // Parsers name the place in the same way.
      ...lineOf(reason),
      title: isDamaged ? 'Damaged or unreadable' : 'Left as it is',
      message: reason,
    }),
  );
  const all = [...heavy, ...overBudget, ...left];
  return [
    ...all.filter(({ level }) => level === 'error').slice(0, mostOfEach),
    ...all.filter(({ level }) => level === 'warning').slice(0, mostOfEach),
  ];
}

function lineOf(reason: string): { line?: number } {
  const line = /^line (\d+), column/.exec(reason)?.[1];
  return line === undefined ? {} : { line: Number(line) };
}

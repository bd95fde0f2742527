import type { AssetsConfig } from '../config/index.ts';
import { byBytes, matchesGlob } from './tree/index.ts';

export interface Weighed {
  path: string;
  bytes: number;
  /** Of an image whose size is known. */
  pixels?: number | undefined;
}

export interface BudgetVerdict {
  kind: 'perFile' | 'perFolder' | 'total' | 'perMegapixel';
  glob: string;
  /** The file, the folder, or `total`. */
  target: string;
  bytes: number;
  limitBytes: number;
  isBroken: boolean;
}

/** Every budget held against the files: one verdict for each file, folder or total that it is about. */
export function judgeBudgets(budgets: AssetsConfig['budgets'], files: readonly Weighed[]): BudgetVerdict[] {
  const verdict = (kind: BudgetVerdict['kind'], glob: string, target: string, bytes: number, limitBytes: number) => ({
    kind,
    glob,
    target,
    bytes,
    limitBytes,
    isBroken: bytes > limitBytes,
  });
  const matching = (glob: string) => files.filter(({ path }) => matchesGlob(glob, path));
  const sum = (list: readonly Weighed[]) => list.reduce((total, { bytes }) => total + bytes, 0);
  return [
    ...Object.entries(budgets.perFile).flatMap(([glob, limit]) =>
      matching(glob).map(({ path, bytes }) => verdict('perFile', glob, path, bytes, limit)),
    ),
    ...Object.entries(budgets.perFolder).flatMap(([glob, limit]) =>
      [...Map.groupBy(matching(glob), ({ path }) => folderOf(path))]
        .sort(([a], [b]) => byBytes(a, b))
        .map(([folder, list]) => verdict('perFolder', glob, folder, sum(list), limit)),
    ),
    ...Object.entries(budgets.total).map(([glob, limit]) =>
      verdict('total', glob, 'total', sum(matching(glob)), limit),
    ),
    ...Object.entries(budgets.perMegapixel).flatMap(([glob, limit]) =>
      matching(glob)
        .filter(({ pixels }) => pixels !== undefined && pixels > 0)
        // An icon of 16 by 16 would be held to 256 millionths of the limit, less than any header.
        .map(({ path, bytes, pixels }) =>
          verdict('perMegapixel', glob, path, bytes, Math.round(limit * Math.max(0.05, pixels! / 1e6))),
        ),
    ),
  ];
}

/** Budgets that speak of more files than one: a part of the tree cannot break or keep them. */
export function needsWholeTree(budgets: AssetsConfig['budgets']): boolean {
  return Object.keys(budgets.perFolder).length + Object.keys(budgets.total).length > 0;
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

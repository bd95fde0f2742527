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

/**
 * Every budget held against the files: one verdict for each file, folder or total that it is about.
 * @param only of these files, and of the folders and totals that they are part of, and not of the rest of the tree
 */
export function judgeBudgets(
  budgets: AssetsConfig['budgets'],
  files: readonly Weighed[],
  only?: ReadonlySet<string>,
): BudgetVerdict[] {
  const verdict = (kind: BudgetVerdict['kind'], glob: string, target: string, bytes: number, limitBytes: number) => ({
    kind,
    glob,
    target,
    bytes,
    limitBytes,
    isBroken: bytes > limitBytes,
  });
  const isAsked = ({ path }: Weighed) => !only || only.has(path);
  const matching = (glob: string) => files.filter(({ path }) => matchesGlob(glob, path));
  const sum = (list: readonly Weighed[]) => list.reduce((total, { bytes }) => total + bytes, 0);
  return [
    ...Object.entries(budgets.perFile).flatMap(([glob, limit]) =>
      matching(glob)
        .filter(isAsked)
        .map(({ path, bytes }) => verdict('perFile', glob, path, bytes, limit)),
    ),
    ...Object.entries(budgets.perFolder).flatMap(([glob, limit]) =>
      [...Map.groupBy(matching(glob), ({ path }) => folderOf(path))]
        .filter(([, list]) => list.some(isAsked))
        .sort(([a], [b]) => byBytes(a, b))
        .map(([folder, list]) => verdict('perFolder', glob, folder, sum(list), limit)),
    ),
    ...Object.entries(budgets.total)
      .filter(([glob]) => !only || matching(glob).some(isAsked))
      .map(([glob, limit]) => verdict('total', glob, 'total', sum(matching(glob)), limit)),
    ...Object.entries(budgets.perMegapixel).flatMap(([glob, limit]) =>
      matching(glob)
        .filter(isAsked)
        .filter(({ pixels }) => pixels !== undefined && pixels > 0)
        // An icon of 16 by 16 would be held to 256 millionths of the limit, less than any header.
        .map(({ path, bytes, pixels }) =>
          verdict('perMegapixel', glob, path, bytes, Math.round(limit * Math.max(0.05, pixels! / 1e6))),
        ),
    ),
  ];
}

/** Of the files whose sizes budgets ask for, whether they are looked at or not. Pixels are known of what is looked at. */
export function weighedGlobs({ perFile, perFolder, total }: AssetsConfig['budgets']): string[] {
  return [perFile, perFolder, total].flatMap(Object.keys);
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '.' : path.slice(0, slash);
}

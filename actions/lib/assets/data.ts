import { z } from 'zod';
import { type FileResult, fileResultSchema, fileTypes, isDamaged } from './result.ts';

/** What is left in a report of a run over any number of files: totals, and the files that matter most. */
const bytes = z.int();

const budgetSchema = z.strictObject({
  kind: z.enum(['perFile', 'perFolder', 'total', 'perMegapixel']),
  glob: z.string(),
  target: z.string(),
  bytes,
  limitBytes: bytes,
  isBroken: z.boolean(),
});

export const assetsDataSchema = z.strictObject({
  mode: z.enum(['check', 'optimize', 'merge']),
  shard: z.string().nullable(),
  files: z.int(),
  cachedFiles: z.int(),
  bytes: bytes.describe('Of the files as they were found'),
  savedBytes: bytes.describe('By how much they were made smaller, where they are or in the folder of what is made'),
  possibleBytes: bytes.describe('By how much they could still be smaller, in their own formats'),
  variantBytes: bytes.describe('Of all variants'),
  heavyImages: z.int().describe('Images that could be smaller by more than assets.check allows'),
  leftFiles: z.int().describe('Files that nothing was done with'),
  damagedFiles: z.int(),
  brokenBudgets: z.int(),
  writtenFiles: z.int(),
  writtenBytes: bytes,
  manifest: z.string().nullable(),
  byType: z.array(
    z.strictObject({ type: z.enum(fileTypes), files: z.int(), bytes, savedBytes: bytes, possibleBytes: bytes }),
  ),
  heaviest: z.array(z.strictObject({ path: z.string(), type: z.enum(fileTypes), bytes })),
  changes: z
    .array(
      z.strictObject({
        path: z.string(),
        type: z.enum(fileTypes),
        before: bytes,
        after: bytes,
        score: z.number().nullable(),
        isTaken: z.boolean(),
        isHeavy: z.boolean(),
      }),
    )
    .describe('The largest savings first'),
  left: z.array(z.strictObject({ path: z.string(), code: z.string(), reason: z.string(), isDamaged: z.boolean() })),
  budgets: z.array(budgetSchema).describe('The broken ones, and all totals'),
  trend: z
    .array(z.strictObject({ at: z.iso.datetime(), bytes }))
    .describe('Earlier runs of the same kind, oldest first'),
});
export type AssetsData = z.infer<typeof assetsDataSchema>;

/** Where a shard, and a check of a pull request, keep what they found: everything, for who goes on from there. */
export const resultsFileSchema = z.strictObject({
  schema: z.literal('production-ops/assets-results/1'),
  shard: z.strictObject({ index: z.int().min(1), count: z.int().min(1) }).nullable(),
  /** Of settings and tools: results of different ones do not go together. */
  key: z.string(),
  results: z.array(fileResultSchema).max(500_000),
});
export type ResultsFile = z.infer<typeof resultsFileSchema>;

const mostListed = 100;
const mostHeaviest = 20;

export interface HeavyRule {
  savingRatio: number;
  savingBytes: number;
}

/** An image that could be smaller by so much that it should not stay as it is. */
export function isHeavy({ type, after, bytes: now }: FileResult, { savingRatio, savingBytes }: HeavyRule): boolean {
  if (type !== 'image' || !after) return false;
  const saving = now - after.bytes;
  return saving >= savingBytes && saving >= now * savingRatio;
}

/** Totals and lists of results. @param isTaken the saving of a file was written over the source */
export function summarise(
  results: readonly FileResult[],
  { isTaken, rule }: { isTaken: (result: FileResult) => boolean; rule: HeavyRule },
): Pick<
  AssetsData,
  | 'files'
  | 'bytes'
  | 'savedBytes'
  | 'possibleBytes'
  | 'variantBytes'
  | 'heavyImages'
  | 'leftFiles'
  | 'damagedFiles'
  | 'byType'
  | 'heaviest'
  | 'changes'
  | 'left'
> {
  const sum = (list: readonly FileResult[], value: (result: FileResult) => number) =>
    list.reduce((total, result) => total + value(result), 0);
  const savingOf = ({ after, bytes: now }: FileResult) => (after ? now - after.bytes : 0);
  const totals = (list: readonly FileResult[]) => ({
    files: list.length,
    bytes: sum(list, result => result.bytes),
    savedBytes: sum(list, result => (isTaken(result) ? savingOf(result) : 0)),
    possibleBytes: sum(list, result => (isTaken(result) ? 0 : savingOf(result))),
  });
  const left = results.filter(result => result.left !== null);
  const heavy = results.filter(result => isHeavy(result, rule) && !isTaken(result));
  return {
    ...totals(results),
    variantBytes: sum(results, ({ variants }) => variants.reduce((total, variant) => total + variant.bytes, 0)),
    heavyImages: heavy.length,
    leftFiles: left.length,
    damagedFiles: left.filter(isDamaged).length,
    byType: fileTypes
      .map(type => ({ type, ...totals(results.filter(result => result.type === type)) }))
      .filter(({ files }) => files > 0),
    heaviest: [...results]
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, mostHeaviest)
      .map(({ path, type, bytes: now }) => ({ path, type, bytes: now })),
    changes: results
      .filter(({ after }) => after !== null)
      .sort((a, b) => savingOf(b) - savingOf(a))
      .slice(0, mostListed)
      .map(result => ({
        path: result.path,
        type: result.type,
        before: result.bytes,
        after: result.after!.bytes,
        score: result.after!.score,
        isTaken: isTaken(result),
        isHeavy: isHeavy(result, rule),
      })),
    left: [...left]
      .sort((a, b) => Number(isDamaged(b)) - Number(isDamaged(a)))
      .slice(0, mostListed)
      .map(result => ({ path: result.path, ...result.left!, isDamaged: isDamaged(result) })),
  };
}

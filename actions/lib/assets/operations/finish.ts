import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Check } from '../../reports/index.ts';
import { judgeBudgets, type Weighed } from '../budgets.ts';
import { checksOf } from '../checks.ts';
import { type AssetsData, summarise } from '../data.ts';
import { buildManifest } from '../manifest/index.ts';
import type { FileResult } from '../result.ts';
import { writeFileWhole } from '../tree/index.ts';
import { trendOf } from '../trend.ts';

export interface Found {
  mode: AssetsData['mode'];
  kind: string;
  shard: string | null;
  results: readonly FileResult[];
  weighed: readonly Weighed[];
  /** What a pull request changes: budgets of other files are not its. */
  only?: ReadonlySet<string>;
  /** The saving of a file was written over the source. */
  isTaken: (result: FileResult) => boolean;
  cachedFiles: number;
  writtenFiles: number;
  writtenBytes: number;
  manifest: string | null;
}

/** Results as a report: totals, what breaks a rule, and how it was before. */
export async function finish(found: Found, context: OpsContext): Promise<{ data: AssetsData; checks: Check[] }> {
  const { check: rule, budgets } = context.config.assets;
  const { mode, kind, shard, results, isTaken, cachedFiles, writtenFiles, writtenBytes, manifest } = found;
  const verdicts = judgeBudgets(budgets, found.weighed, found.only);
  const broken = verdicts.filter(({ isBroken }) => isBroken);
  const data: AssetsData = {
    mode,
    shard,
    ...summarise(results, { isTaken, rule }),
    cachedFiles,
    brokenBudgets: broken.length,
    writtenFiles,
    writtenBytes,
    manifest,
    budgets: [...broken, ...verdicts.filter(({ kind: of, isBroken }) => of === 'total' && !isBroken)].slice(0, 100),
    trend: await trendOf(kind, context),
  };
  return { data, checks: checksOf(data, verdicts, rule) };
}

/** @returns the path as it was given. @throws OpsError `WRITE` */
export async function writeManifest(
  file: string,
  results: readonly FileResult[],
  { config, cwd }: OpsContext,
  isHashed: boolean,
): Promise<string> {
  const { publicPath, hashedNames, sizes, images } = config.assets;
  const options = { publicPath, hashedNames: hashedNames && isHashed, sizes, maxWidth: images.maxWidth };
  const manifest = buildManifest(results, options);
  await writeWhole(resolve(cwd, file), `${JSON.stringify(manifest, null, 1)}\n`);
  return file;
}

export async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFileWhole({ root: await realpath(dirname(file)), path: basename(file), bytes: Buffer.from(content) });
}

/** Beside a file that somebody gives by name there is nothing to protect: it is written as it is. */
export async function writeBlob(folder: string, sha256: string, bytes: Uint8Array): Promise<void> {
  const path = join(folder, sha256.slice(0, 2), sha256);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

/** @throws OpsError `USAGE` */
export function needDestination(given: {
  out?: string | undefined;
  inPlace: boolean;
  bundle?: string | undefined;
}): void {
  if (given.inPlace || given.out !== undefined || given.bundle !== undefined) return;
  throw new OpsError('USAGE', 'It is not said where to put what is made', {
    hint: 'Give --in-place (sources are replaced by smaller ones), --out <folder>, or --bundle <folder>.',
    exit: 'usage',
  });
}

import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { formatBytes, formatCount } from '../../log/index.ts';
import type { Operation } from '../../reports/index.ts';
import { annotationsOf } from '../annotations.ts';
import { readBundles } from '../bundle.ts';
import { openCache } from '../cache/index.ts';
import { assetsDataSchema } from '../data.ts';
import { githubOf } from '../github-of.ts';
import { propose, smallerFiles } from '../pull-request/index.ts';
import { emptyRun, runTree, weigh } from '../run-tree.ts';
import { changeTable, linesOf, summaryOf } from '../text-of.ts';
import { finish } from './finish.ts';

export interface AssetsProposeInput {
  globs: readonly string[];
  /** One of each shard, instead of looking at the tree. */
  bundles: readonly string[];
}

const dataSchema = assetsDataSchema.extend({
  pullRequest: z.strictObject({ number: z.int(), url: z.string(), isNew: z.boolean() }).nullable(),
  committedFiles: z.int(),
});
export type AssetsProposeData = z.infer<typeof dataSchema>;

/** Smaller files as one pull request, opened or brought up to date. Throws what `runTree`, `readBundles` and `propose` throw. */
export const assetsProposeOperation: Operation<AssetsProposeInput, AssetsProposeData> = {
  kind: 'assets.optimize',
  dataSchema,
  async execute({ globs, bundles }, context) {
    const { config, cwd, now, signal } = context;
    const { path, keepDays } = config.assets.cache;
    const github = githubOf(context, "'contents: write' and 'pull-requests: write'");
    const root = await realpath(cwd);
    const run = bundles.length > 0 ? emptyRun() : await runTree({ mode: 'check', globs, inPlace: false }, context);
    const cache = await openCache({ folder: resolve(cwd, path), keepDays, now });
    if (bundles.length > 0) {
      run.results = await readBundles(bundles, cache, context, 'check');
      run.weighed = await weigh(run.results, { isReplaced: false, isPart: false }, context, root);
    }
    const files = await smallerFiles(root, run.results, cache);
    const { data, checks } = await finish(
      {
        ...run,
        mode: bundles.length > 0 ? 'merge' : 'optimize',
        kind: 'assets.optimize',
        shard: null,
        isTaken: false,
        manifest: null,
      },
      context,
    );
    const title = `Make ${formatCount(files.length)} ${files.length === 1 ? 'file' : 'files'} lighter by ${formatBytes(savingOf(files))}`;
    const { pullRequest, committed } = await propose(github, {
      branch: config.assets.branch,
      files,
      title,
      body: bodyOf(data.changes),
      signal,
    });
    return { data: { ...data, pullRequest, committedFiles: committed.files }, checks };
  },
  lines: report => [
    ...linesOf(report),
    ...(report.data?.pullRequest ? [`Pull request: ${report.data.pullRequest.url}`] : []),
  ],
  summary: summaryOf,
  annotations: annotationsOf,
};

function savingOf(files: readonly { before: Uint8Array; after: Uint8Array }[]): number {
  return files.reduce((sum, { before, after }) => sum + before.length - after.length, 0);
}

function bodyOf(changes: AssetsProposeData['changes']): string {
  return [
    'Each image is as light as the target lets it be, and text files hold nothing that a browser does not need.',
    'This branch is brought up to date by the next run; commits of yours on it stay.',
    changeTable(changes),
  ].join('\n\n');
}

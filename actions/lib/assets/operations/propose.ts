import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { requireGitHub } from '../../github/index.ts';
import { formatBytes, formatCount } from '../../log/index.ts';
import type { Operation } from '../../reports/index.ts';
import { annotationsOf } from '../annotations.ts';
import { readBundles } from '../bundle.ts';
import { openCache } from '../cache/index.ts';
import { assetsDataSchema } from '../data.ts';
import { fitted, propose, type Replacement, smallerFiles } from '../pull-request/index.ts';
import { emptyRun, runTree, weigh } from '../run-tree.ts';
import { changeTable, linesOf, summaryOf } from '../text-of.ts';
import { finish } from './finish.ts';

export interface AssetsProposeInput {
  globs: readonly string[];
  /** One of each shard, or the folder that they are in, instead of looking at the tree. */
  bundles: readonly string[];
}

const dataSchema = assetsDataSchema.extend({
  pullRequest: z.strictObject({ number: z.int(), url: z.string(), isNew: z.boolean() }).nullable(),
  committedFiles: z.int(),
  waitingFiles: z.int().describe('More than one run proposes: the next one goes on'),
});
export type AssetsProposeData = z.infer<typeof dataSchema>;

/** Smaller files as one pull request, opened or brought up to date. Throws what `runTree`, `readBundles` and `propose` throw. */
export const assetsProposeOperation: Operation<AssetsProposeInput, AssetsProposeData> = {
  kind: 'assets.optimize',
  dataSchema,
  async execute({ globs, bundles }, context) {
    const { config, cwd, now, signal } = context;
    const { path, keepDays } = config.assets.cache;
    const github = requireGitHub(context, "'contents: write' and 'pull-requests: write'");
    const root = await realpath(cwd);
    const isMerge = bundles.length > 0;
    const run = isMerge ? emptyRun() : await runTree({ mode: 'check', globs, inPlace: false }, context);
    const cache = await openCache({ folder: resolve(cwd, path), keepDays, now });
    if (isMerge) {
      run.results = await readBundles(bundles, cache, context, 'check');
      run.weighed = await weigh(run.results, { isReplaced: false, isPart: false }, context, root);
    }
    const replacements = smallerFiles(root, run.results, cache);
    const { data, checks } = await finish(
      {
        ...run,
        mode: isMerge ? 'merge' : 'optimize',
        kind: 'assets.optimize',
        shard: null,
        isTaken: () => false,
        manifest: null,
      },
      context,
    );
    const { pullRequest, committed } = await propose(github, {
      branch: config.assets.branch,
      replacements,
      describe: (inBranch, waiting) => ({ title: titleOf(inBranch), body: bodyOf(data.changes, waiting) }),
      signal,
    });
    const counts = { committedFiles: committed.committed.length, waitingFiles: committed.waiting };
    return { data: { ...data, pullRequest, ...counts }, checks };
  },
  lines: report => [...linesOf(report), ...lineOf(report.data)],
  summary: report => `${summaryOf(report)}${lineOf(report.data).map(line => `\n${line}\n`)}`,
  annotations: annotationsOf,
};

function lineOf(data: AssetsProposeData | null): string[] {
  if (!data?.pullRequest) return [];
  const more = data.waitingFiles > 0 ? `; ${formatCount(data.waitingFiles)} files wait for the next run` : '';
  return [`Pull request: ${data.pullRequest.url}, ${formatCount(data.committedFiles)} files committed${more}`];
}

function titleOf(replacements: readonly Replacement[]): string {
  const saved = replacements.reduce((sum, { savedBytes }) => sum + savedBytes, 0);
  return `Make ${formatCount(replacements.length)} ${replacements.length === 1 ? 'file' : 'files'} lighter by ${formatBytes(saved)}`;
}

function bodyOf(changes: AssetsProposeData['changes'], waiting: number): string {
  const text = [
    'Each image is as light as the target lets it be, and text files hold nothing that a browser does not need.',
    'This branch is brought up to date by the next run; commits of yours on it stay.',
    ...(waiting > 0
      ? [`${formatCount(waiting)} more files could be lighter than one run may write; the next one adds them.`]
      : []),
  ].join('\n\n');
  return fitted(most => `${text}\n\n${changeTable(changes, most)}`);
}

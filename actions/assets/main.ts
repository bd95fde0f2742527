import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assetsCheckOperation,
  assetsCommentOperation,
  assetsMergeOperation,
  assetsOptimizeOperation,
  assetsProposeOperation,
  assetsReviewOperation,
  parseShard,
  readFinishedRun,
  readPullRequest,
  readThisRun,
} from '../lib/assets/index.ts';
import { assetsInputs, runAction, step } from '../lib/run/action.ts';

await runAction(assetsInputs, (inputs, env) => {
  const globs = inputs.files;
  const bundle = inputs.bundle;
  const bundles = inputs.bundles;
  const shard = inputs.shard === undefined ? undefined : parseShard(inputs.shard);
  if (inputs.mode === 'comment') {
    const run = readFinishedRun(env);
    return run ? [step(assetsCommentOperation, { run, artifact: inputs.artifact }, outputs)] : [];
  }
  if (inputs.mode === 'optimize' && !inputs['pull-request']) {
    const destination = { out: inputs.out, inPlace: inputs['in-place'], manifest: inputs.manifest };
    return bundles.length > 0
      ? [step(assetsMergeOperation, { bundles, ...destination }, outputs)]
      : [step(assetsOptimizeOperation, { globs, shard, bundle, ...destination }, outputs)];
  }
  if (inputs.mode === 'optimize' && bundle === undefined) {
    return [
      step(assetsProposeOperation, { globs, bundles }, data =>
        outputs({ ...data, pullRequest: data.pullRequest?.number ?? null }),
      ),
    ];
  }
  // What a pull request changes is looked at by one job; a job that hands on looks at its part of the tree.
  const pullRequest = bundle === undefined ? readPullRequest(env) : undefined;
  if (!pullRequest) return [step(assetsCheckOperation, { globs, shard, bundle }, outputs)];
  const review = {
    pullRequest,
    globs,
    name: inputs.name ?? null,
    fix: inputs.fix ?? 'none',
    comment: inputs.comment,
    folder: join(env.RUNNER_TEMP || tmpdir(), 'production-ops', inputs.name ?? 'assets'),
    run: readThisRun(env) ?? { id: 0, attempt: 1, url: null },
  } as const;
  return [step(assetsReviewOperation, review, outputs)];
});

interface Found {
  files?: number;
  heavyImages?: number;
  brokenBudgets?: number;
  possibleBytes?: number;
  savedBytes?: number;
  pullRequest?: number | null;
  comment?: string | null;
  patch?: string | null;
  results?: string | null;
}

/** Each is set whatever the mode: empty for what a mode has nothing of. */
function outputs(data: Found): Record<string, string> {
  return {
    files: String(data.files ?? ''),
    'heavy-images': String(data.heavyImages ?? ''),
    'broken-budgets': String(data.brokenBudgets ?? ''),
    'possible-bytes': String(data.possibleBytes ?? ''),
    'saved-bytes': String(data.savedBytes ?? ''),
    'pull-request': String(data.pullRequest ?? ''),
    comment: data.comment ?? '',
    patch: data.patch ?? '',
    results: data.results ?? '',
  };
}

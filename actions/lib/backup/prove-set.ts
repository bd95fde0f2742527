import type { OpsContext } from '../context/index.ts';
import { OpsError, toOpsError } from '../errors/index.ts';
import type { Storage } from '../storage/index.ts';
import { type Evidence, evidenceSchema } from './database/evidence.ts';
import { type Comparison, compareRestored } from './database/prove.ts';
import type { RestoreResult } from './database/restore.ts';
import { proveFiles } from './files/prove-files.ts';
import { readPartWhole } from './parts/part-reader.ts';
import { restoreCopy } from './restored-copy.ts';
import { type DatabaseManifest, type Manifest, partOf } from './sets/manifest.ts';
import { writeProof } from './sets/set-store.ts';
import { identitiesOf, judge, type ProofResult } from './verdict.ts';

/**
 * Restores a set where nobody sees it, compares it with the evidence of its snapshot, and records the verdict beside it.
 * Never throws for what it finds; throws only `CANCELLED` and what stops it from recording.
 */
export async function proveSet(context: OpsContext, storage: Storage, manifest: Manifest): Promise<ProofResult> {
  const result =
    manifest.kind === 'database'
      ? await proveDatabase(context, storage, manifest)
      : await proveFiles(context, storage, manifest);
  await writeProof(storage, manifest, {
    schema: 'production-ops/proof/1',
    verdict: result.verdict,
    at: context.now().toISOString(),
    reportId: context.reportId,
    findings: result.findings.slice(0, 50),
  });
  return result;
}

async function proveDatabase(context: OpsContext, storage: Storage, manifest: DatabaseManifest): Promise<ProofResult> {
  const startedAt = performance.now();
  const timings = { serverSeconds: 0, restoreSeconds: 0, compareSeconds: 0, totalSeconds: 0 };
  const notes: string[] = [];
  let restore: RestoreResult | null = null;
  let comparison: Comparison | null = null;
  let failure: OpsError | undefined;
  try {
    const identities = identitiesOf(context);
    const evidence = await readEvidence(context, storage, manifest, identities);
    await using copy = await restoreCopy(context, storage, manifest, {
      purpose: `the drill of ${manifest.source}`,
      onStart(started) {
        notes.push(...started.notes);
        timings.serverSeconds = started.serverSeconds;
      },
    });
    const { target } = copy;
    restore = copy.restore;
    timings.restoreSeconds = restore.timings.totalSeconds;
    const compareAt = performance.now();
    comparison = await compareRestored({
      target,
      manifest,
      evidence,
      assertions: context.config.drill.assertions,
      jobs: context.config.backup.jobs,
      progress: context.progress,
      signal: context.signal,
    });
    timings.compareSeconds = seconds(compareAt);
  } catch (error) {
    context.signal.throwIfAborted();
    failure = toOpsError(error);
  }
  timings.totalSeconds = seconds(startedAt);
  return { ...judge(failure, comparison?.findings ?? []), comparison, restore, timings, notes };
}

async function readEvidence(
  context: OpsContext,
  storage: Storage,
  manifest: DatabaseManifest,
  identities: string[],
): Promise<Evidence> {
  const part = partOf(manifest, 'evidence');
  if (!part) throw new OpsError('SET_DAMAGED', `Set ${manifest.id} has no part with its evidence`);
  const text = await readPartWhole(storage, part, { identities, signal: context.signal });
  return evidenceSchema.parse(JSON.parse(text.toString('utf8')));
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ZodError } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { OpsError, toOpsError } from '../../errors/index.ts';
import { formatBytes, formatCount } from '../../log/index.ts';
import type { Storage } from '../../storage/index.ts';
import { readPart } from '../parts/part-reader.ts';
import type { FilesManifest, Part } from '../sets/manifest.ts';
import { identitiesOf, judge, type ProofResult } from '../verdict.ts';
import { chainOf } from './chain.ts';
import { compareTree, type TreeComparison } from './compare-tree.ts';
import { evidenceEntries } from './evidence.ts';
import { ExpectedTree } from './expected-tree.ts';
import { restoreFiles } from './restore-files.ts';

/**
 * Restores a set of files into a temporary folder and compares every entry with what tar sent. Throws only `CANCELLED`:
 * whatever else goes wrong is the verdict.
 */
export async function proveFiles(context: OpsContext, storage: Storage, manifest: FilesManifest): Promise<ProofResult> {
  const startedAt = performance.now();
  const timings = { serverSeconds: 0, restoreSeconds: 0, compareSeconds: 0, totalSeconds: 0 };
  const notes: string[] = [];
  let comparison: TreeComparison | undefined;
  let failure: OpsError | undefined;
  const scratch = await mkdtemp(join(tmpdir(), 'ops-drill-files-'));
  try {
    const identities = identitiesOf(context);
    const targetDir = join(scratch, 'restored');
    const { log, progress, signal } = context;
    const restored = await restoreFiles({
      storage,
      manifest,
      identities,
      targetDir,
      force: false,
      log,
      progress,
      signal,
    });
    timings.restoreSeconds = seconds(startedAt);
    if (restored.messages !== '') notes.push(`tar said: ${restored.messages.split('\n').slice(0, 5).join('; ')}`);
    const compareAt = performance.now();
    const expected = new ExpectedTree();
    for (const { evidence } of chainOf(manifest)) {
      await applyEvidence(expected, evidence, storage, { identities, signal });
    }
    const task = progress.start('comparing files', undefined, formatBytes);
    try {
      comparison = await compareTree(targetDir, expected, { signal, task });
    } finally {
      task.done();
    }
    timings.compareSeconds = seconds(compareAt);
    notes.push(`compared ${formatCount(comparison.entries)} entries, ${formatBytes(comparison.fileBytes)} of content`);
    if (process.getuid?.() !== 0) notes.push('owners were not compared: only root can restore them');
  } catch (error) {
    context.signal.throwIfAborted();
    failure = toOpsError(error);
  } finally {
    await removeTree(scratch);
  }
  timings.totalSeconds = seconds(startedAt);
  return { ...judge(failure, comparison?.findings ?? []), comparison: null, restore: null, timings, notes };
}

async function applyEvidence(
  expected: ExpectedTree,
  part: Part,
  storage: Storage,
  options: { identities: readonly string[]; signal: AbortSignal },
): Promise<void> {
  try {
    for await (const entry of evidenceEntries(readPart(storage, part, options))) expected.apply(entry);
  } catch (error) {
    if (!(error instanceof ZodError) && !(error instanceof SyntaxError)) throw error;
    throw new OpsError('SET_DAMAGED', `The evidence in ${part.key} cannot be read`, { cause: error });
  }
}

/** A folder that was restored without write permission stops everybody but root from removing what is in it. */
async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await openFolders(Buffer.from(path));
    await rm(path, { recursive: true, force: true });
  }
}

async function openFolders(path: Buffer): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await openFolders(Buffer.concat([path, Buffer.from('/'), entry.name]));
  }
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

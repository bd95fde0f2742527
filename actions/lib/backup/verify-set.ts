import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { formatBytes } from '../log/index.ts';
import type { Storage } from '../storage/index.ts';
import { identityMissing, readPart, rehashStored } from './parts/part-reader.ts';
import type { Manifest, Part } from './sets/manifest.ts';
import { identitiesOf } from './verdict.ts';

/** `restore` is what `proveSet` does. */
export type ReadLevel = 'stored' | 'content';

export interface VerifyResult {
  findings: string[];
  partsRead: number;
  storedBytes: number;
}

/**
 * Reads every part of a set and compares bytes with its manifest: as stored, or also opened. All damaged parts are
 * named, not only the first.
 * @throws OpsError `BACKUP_IDENTITY`, `AGE_NO_MATCH`, and `STORAGE_*` when the destination itself fails
 */
export async function verifySet(
  context: OpsContext,
  storage: Storage,
  manifest: Manifest,
  level: ReadLevel,
): Promise<VerifyResult> {
  const identities = level === 'content' ? identitiesOf(context) : [];
  if (level === 'content' && manifest.recipients.length > 0 && identities.length === 0) throw identityMissing();
  const result: VerifyResult = { findings: [], partsRead: 0, storedBytes: 0 };
  const total = manifest.parts.reduce((sum, part) => sum + part.storedBytes, 0);
  const task = context.progress.start(`reading ${manifest.id}`, total, formatBytes);
  const queue = [...manifest.parts];
  const options = { signal: context.signal, onStored: (bytes: number) => task.advance(bytes) };
  const lane = async () => {
    for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
      context.signal.throwIfAborted();
      try {
        if (level === 'stored') await rehashStored(storage, part, options);
        else await readThrough(storage, part, { ...options, identities });
        result.storedBytes += part.storedBytes;
      } catch (error) {
        if (!(error instanceof OpsError) || error.code !== 'SET_DAMAGED') throw error;
        result.findings.push(error.message);
      }
      result.partsRead++;
    }
  };
  try {
    await Promise.all(Array.from({ length: context.config.backup.jobs }, lane));
  } finally {
    task.done();
  }
  result.findings.sort();
  return result;
}

async function readThrough(storage: Storage, part: Part, options: Parameters<typeof readPart>[2]): Promise<void> {
  for await (const _ of readPart(storage, part, options));
}

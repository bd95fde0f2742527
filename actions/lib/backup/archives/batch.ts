import { createHash } from 'node:crypto';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';
import { readPart, rehashStored } from '../parts/part-reader.ts';
import { type Destination, openPart, type PartWriter } from '../parts/part-writer.ts';
import type { Part } from '../sets/manifest.ts';
import { readSmall } from '../sets/read-small.ts';
import { archiveManifestKey, archivePartKey } from './keys.ts';
import type { ArchiveOwner } from './owner.ts';

/**
 * Rows that are about to be deleted, as one SQL script of its own: `zstd -d | psql` puts them back. Each batch is a part
 * and a manifest, written in that order; only then may the rows go. A part without a manifest was cut off before its
 * rows were deleted. One with a manifest holds rows that are gone, or, when the run was killed in between, rows
 * that are still there: its script puts back only what is missing.
 */
export const archiveSchemaName = 'production-ops/archive/1';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);

export const archiveManifestSchema = z.strictObject({
  schema: z.literal(archiveSchemaName),
  /** The run that deleted the rows, and the how manyth batch of it this is. */
  id: z.string(),
  batch: z.int().min(1),
  /** Absent in what was archived before it was written: whose that is, is not known. */
  platform: z.string().optional(),
  database: z.string(),
  serverVersion: z.string(),
  writtenAt: z.iso.datetime(),
  /** Why the rows were deleted. */
  rule: z.strictObject({
    table: z.string(),
    column: z.string(),
    before: z.iso.datetime(),
    condition: z.string().nullable(),
  }),
  /** In the order of restoring: what others refer to first. */
  tables: z.array(z.strictObject({ schema: z.string(), name: z.string(), rows: z.int().min(0) })),
  part: z.strictObject({
    key: z.string(),
    plainBytes: bytes,
    plainSha256: sha256,
    storedBytes: bytes,
    storedSha256: sha256,
    isEncrypted: z.boolean(),
  }),
});
export type ArchiveManifest = z.infer<typeof archiveManifestSchema>;

/** Where the batches of one run go. Every destination must hold every one of them: it is the last copy of the rows. */
export interface ArchiveTarget {
  id: string;
  owner: ArchiveOwner;
  storages: readonly Storage[];
  recipients: readonly string[];
  compressionLevel: number;
  signal: AbortSignal;
}

export interface ArchiveBatch {
  write(plain: Buffer): Promise<void>;
  /**
   * Ends the part, reads it back from every destination, and writes the manifest.
   * @throws OpsError `ARCHIVE_FAILED`: a destination does not hold it; nothing may be deleted
   */
  finish(about: Pick<ArchiveManifest, 'serverVersion' | 'rule' | 'tables'>): Promise<ArchiveManifest>;
  /** The rows stay: takes away what was stored of them, as far as it can. */
  discard(reason: unknown): Promise<void>;
}

export async function openArchiveBatch(target: ArchiveTarget, batch: number, now: () => Date): Promise<ArchiveBatch> {
  const isEncrypted = target.recipients.length > 0;
  const key = archivePartKey(target.id, batch, isEncrypted);
  const destinations: Destination[] = target.storages.map(storage => ({ storage, failure: undefined }));
  const writer: PartWriter = await openPart({
    key,
    destinations,
    recipients: target.recipients,
    compressionLevel: target.compressionLevel,
    signal: target.signal,
  });
  let isEnded = false;
  return {
    async write(plain) {
      await writer.write(plain).catch(orFailed(destinations));
      throwFailed(destinations);
    },
    async finish(about) {
      isEnded = true;
      const sizes = await writer.finish().catch(orFailed(destinations));
      throwFailed(destinations);
      const part: Part = { key, role: 'rows', ...sizes, isEncrypted, isCompressed: true, isReused: false };
      for (const { storage } of destinations) await readBack(storage, part, target.signal);
      const manifest: ArchiveManifest = {
        schema: archiveSchemaName,
        id: target.id,
        batch,
        ...target.owner,
        writtenAt: now().toISOString(),
        ...about,
        part: { key, ...sizes, isEncrypted },
      };
      const text = `${JSON.stringify(manifest, null, 2)}\n`;
      for (const { storage } of destinations) {
        const at = archiveManifestKey(target.id, batch);
        await storage.put(at, Buffer.from(text), { ifAbsent: true, signal: target.signal }).catch(refuse(storage));
        const found = await readSmall(storage, at, target.signal).catch(refuse(storage));
        if (digest(found) !== digest(text)) throw failed(storage, 'it gives back another manifest than it was given');
      }
      return manifest;
    },
    async discard(reason) {
      if (!isEnded) await writer.abort(reason);
      // The manifest first: without it the part counts for nothing. The signal of the run may be why it ends.
      for (const { storage } of destinations) {
        await storage.remove(archiveManifestKey(target.id, batch)).catch(() => {});
        await storage.remove(key).catch(() => {});
      }
    },
  };
}

/** Without the identity only stored bytes can be compared; what is not encrypted is unpacked as well. */
async function readBack(storage: Storage, part: Part, signal: AbortSignal): Promise<void> {
  try {
    if (part.isEncrypted) await rehashStored(storage, part, { signal });
    else for await (const _ of readPart(storage, part, { identities: [], signal }));
  } catch (thrown) {
    refuse(storage)(thrown);
  }
}

function throwFailed(destinations: readonly Destination[]): void {
  const bad = destinations.find(destination => destination.failure);
  if (bad) refuse(bad.storage)(bad.failure);
}

/** The writer speaks only when the last destination has failed: that one is named. */
function orFailed(destinations: readonly Destination[]): (thrown: unknown) => never {
  return thrown => {
    throwFailed(destinations);
    throw thrown;
  };
}

export function refuse(storage: Storage): (thrown: unknown) => never {
  return thrown => {
    if (thrown instanceof Error && thrown.name === 'AbortError') throw thrown;
    if (thrown instanceof OpsError && thrown.code === 'CANCELLED') throw thrown;
    throw failed(storage, (thrown as Error).message, thrown);
  };
}

function failed(storage: Storage, why: string, cause?: unknown): OpsError {
  return new OpsError('ARCHIVE_FAILED', `The rows could not be archived in ${storage.name}: ${why}`, {
    hint: 'The rows of this batch were not deleted. Repair the destination and run again.',
    cause,
  });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

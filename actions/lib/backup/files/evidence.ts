import { z } from 'zod';
import type { ContentHash } from './content-hash.ts';
import { toJsonName } from './paths.ts';
import type { TarEntry } from './tar-stream.ts';

/**
 * What a restored tree is compared with: one line of JSON for each member of an archive, in its order, made from the
 * very bytes that tar sent and not from a second look at the disk, which may have changed meanwhile. It is stored as an
 * encrypted part. A million files are a million short lines that pass through; nothing of it is kept in memory.
 */
const name = z.union([z.string(), z.strictObject({ base64: z.base64() })]);

export const evidenceEntrySchema = z.strictObject({
  type: z.enum(['file', 'hardlink', 'symlink', 'char', 'block', 'folder', 'fifo']),
  path: name,
  mode: z.int(),
  uid: z.int(),
  gid: z.int(),
  mtimeSeconds: z.int(),
  /** Files only. */
  sizeBytes: z.int().optional(),
  sha256: z.string().optional(),
  sparseSha256: z.string().optional(),
  /** Symlinks and hard links. */
  link: name.optional(),
  /**
   * Folders: what is in them, as GNU tar lists it: Y (in this archive), N (unchanged since the one before), D (a
   * folder). What is not listed is gone.
   */
  names: z.array(name).optional(),
});
export type EvidenceEntry = z.infer<typeof evidenceEntrySchema>;

export function evidenceLine(entry: TarEntry, content: ContentHash | undefined): string {
  const record: EvidenceEntry = {
    type: entry.type,
    path: toJsonName(entry.path),
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeSeconds: entry.mtimeSeconds,
    ...(entry.type === 'file' && { sizeBytes: entry.sizeBytes, ...content }),
    ...(entry.link && { link: toJsonName(entry.link) }),
    ...(entry.names && { names: entry.names.map(toJsonName) }),
  };
  return `${JSON.stringify(record)}\n`;
}

/** The lines of an evidence part. @throws ZodError for what is not one */
export async function* evidenceEntries(chunks: AsyncIterable<Buffer>): AsyncGenerator<EvidenceEntry> {
  let held: Buffer[] = [];
  for await (const chunk of chunks) {
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, at)) {
      held.push(chunk.subarray(at, end));
      yield evidenceEntrySchema.parse(JSON.parse(Buffer.concat(held).toString('utf8')));
      held = [];
      at = end + 1;
    }
    if (at < chunk.length) held.push(Buffer.from(chunk.subarray(at)));
  }
}

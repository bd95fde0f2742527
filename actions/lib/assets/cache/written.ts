import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { sha256Schema } from '../result.ts';
import { type Signature, sameSignature } from '../tree/index.ts';

/**
 * Files that were written, or found to be what they should be, and what the file system said of them then: whether they are
 * so still costs a `stat`. Their size alone does not tell: what was compressed anew is often as large as before.
 */
export interface WrittenFiles {
  /** @param path absolute */
  has(path: string, sha256: string, signature: Signature): boolean;
  remember(path: string, sha256: string, signature: Signature): void;
  /** Lines of the file that keeps them, without those that were not used since that day; undefined when nothing changed. */
  linesSince(oldest: string): string | undefined;
}

const entrySchema = z.tuple([
  z.string(),
  sha256Schema,
  z.tuple([z.string(), z.string(), z.string(), z.string()]),
  z.iso.date().describe('Day of the last use'),
]);
type Entry = z.infer<typeof entrySchema>;

/** @param today `2026-11-23` */
export async function readWritten(file: string, today: string): Promise<WrittenFiles> {
  const entries = new Map<string, Entry>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const entry = line === '' ? undefined : readEntry(line);
    if (entry) entries.set(entry[0], entry);
  }
  let isChanged = false;
  return {
    has(path, sha256, signature) {
      const entry = entries.get(path);
      if (!entry || entry[1] !== sha256 || !sameSignature(entry[2], signature)) return false;
      if (entry[3] !== today) isChanged = true;
      entry[3] = today;
      return true;
    },
    remember(path, sha256, signature) {
      entries.set(path, [path, sha256, [...signature], today]);
      isChanged = true;
    },
    linesSince(oldest) {
      if (!isChanged) return undefined;
      const kept = [...entries.values()].filter(([, , , usedOn]) => usedOn >= oldest);
      return kept.map(entry => `${JSON.stringify(entry)}\n`).join('');
    },
  };
}

/** A line that cannot be read is one file that is read again. */
function readEntry(line: string): Entry | undefined {
  try {
    return entrySchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

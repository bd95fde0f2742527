import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { blobPath, cannotWrite, putBlob, type StoredBlob, writeInCache } from '../blobs.ts';
import { type FileResult, fileResultSchema, sha256Schema, treePathSchema } from '../result.ts';
import { sha256Of } from '../sha256.ts';
import { byBytes, isSettled, type Signature, sameSignature } from '../tree/index.ts';
import { readWritten, type WrittenFiles } from './written.ts';

/**
 * What came of each file, so that an unchanged one costs a `stat`.
 *
 *   index.ndjson          a line for each path: what the file system said of it, its hash, the key, the result
 *   written.ndjson        a line for each file that was written into a tree
 *   blobs/ab/abcdef…      what was made, by its SHA-256
 *
 * The key is a hash of the settings, the versions of the tools and what the name of a file says it is: another one is another
 * result. A path whose signature
 * has changed is hashed and looked for by content, so that a fresh checkout, or a file that moved, costs its reading and no
 * more. Blobs are checked against their name before they are used.
 */
export interface AssetCache {
  /** Files beside it that its result was made of, too: its source map. */
  inputsOf(path: string, key: string): readonly string[];
  /** By signature alone: that of the file, then those of `inputsOf`. */
  unchanged(path: string, key: string, signatures: readonly Signature[]): FileResult | undefined;
  /**
   * By content: of this path first, since files that became alike had variants of their own, then of any other. The result
   * has the path that it was found under.
   */
  byContent(path: string, key: string, content: string): FileResult | undefined;
  /**
   * @param content hash of all that the result was made of
   * @param checkedAt when the signatures were taken, before the file was read; milliseconds since 1970
   */
  remember(entry: {
    path: string;
    key: string;
    content: string;
    inputs: readonly string[];
    signatures: readonly Signature[];
    checkedAt: number;
    result: FileResult;
  }): void;
  /** Paths that were remembered in this run and whose signatures are too young to be relied on. */
  unsettled(): string[];
  /** Where it is. */
  readonly folder: string;
  putBlob(bytes: Uint8Array): Promise<StoredBlob>;
  /** Undefined for one that is not there, or is damaged: then it is removed, so that the next run makes it again. */
  blob(sha256: string): Promise<Uint8Array | undefined>;
  hasBlob(sha256: string): Promise<boolean>;
  readonly written: WrittenFiles;
  /** Writes the index, and removes what was not used for long. */
  close(): Promise<void>;
}

const entrySchema = z.strictObject({
  path: z.string(),
  key: z.string(),
  content: sha256Schema,
  inputs: z.array(treePathSchema),
  signatures: z.array(z.tuple([z.string(), z.string(), z.string(), z.string()])),
  /** A change in the same tick of the clock would not show: such an entry is good for its content only. */
  isTrusted: z.boolean(),
  /** Day of the last use, `2026-11-23`. */
  usedOn: z.iso.date(),
  result: fileResultSchema,
});
type Entry = z.infer<typeof entrySchema>;

export interface CacheOptions {
  folder: string;
  keepDays: number;
  now: () => Date;
}

/** @throws OpsError `ASSETS_CACHE` when the folder cannot be written */
export async function openCache({ folder, keepDays, now }: CacheOptions): Promise<AssetCache> {
  const file = join(folder, 'index.ndjson');
  const today = now().toISOString().slice(0, 10);
  await mkdir(join(folder, 'blobs'), { recursive: true }).catch(cause => {
    throw cannotWrite(folder, cause);
  });
  const entries = await readIndex(file);
  const writtenFile = join(folder, 'written.ndjson');
  const written = await readWritten(writtenFile, today);
  const contents = new Map<string, string>();
  const known = new Set<string>();
  const young = new Set<string>();
  for (const [id, { key, content }] of entries) contents.set(`${key} ${content}`, id);
  let isChanged = false;
  const save = (path: string, content: string) => writeInCache(folder, path, content);
  const use = (entry: Entry): FileResult => {
    if (entry.usedOn !== today) {
      entry.usedOn = today;
      isChanged = true;
    }
    return entry.result;
  };

  return {
    folder,
    inputsOf: (path, key) => entries.get(idOf(path, key))?.inputs ?? [],
    unchanged(path, key, signatures) {
      const entry = entries.get(idOf(path, key));
      if (!entry?.isTrusted || entry.signatures.length !== signatures.length) return undefined;
      return entry.signatures.every((each, at) => sameSignature(each, signatures[at]!)) ? use(entry) : undefined;
    },
    byContent(path, key, content) {
      // A file that had this content may have been replaced since: what is known of it now is of its new content.
      const found = [idOf(path, key), contents.get(`${key} ${content}`) ?? '']
        .map(id => entries.get(id))
        .find(entry => entry?.content === content);
      return found && use(found);
    },
    remember({ path, key, content, inputs, signatures, checkedAt, result }) {
      const isTrusted = signatures.every(each => isSettled(each, checkedAt));
      const id = idOf(path, key);
      entries.set(id, {
        path,
        key,
        content,
        inputs: [...inputs],
        signatures: signatures.map(each => [...each]),
        isTrusted,
        usedOn: today,
        result,
      });
      contents.set(`${key} ${content}`, id);
      isChanged = true;
      if (isTrusted) young.delete(path);
      else young.add(path);
    },
    unsettled: () => [...young],
    async putBlob(bytes) {
      const blob = await putBlob(folder, bytes);
      known.add(blob.sha256);
      return blob;
    },
    async blob(sha256) {
      const path = blobPath(folder, sha256);
      const bytes = await readFile(path).catch(() => undefined);
      if (!bytes || sha256Of(bytes) === sha256) return bytes;
      // Left there, it would pass for the blob, and what it was made of would not be worked on again.
      known.delete(sha256);
      await rm(path, { force: true });
      return undefined;
    },
    hasBlob: async sha256 =>
      known.has(sha256) || (await stat(blobPath(folder, sha256)).catch(() => undefined)) !== undefined,
    written,
    async close() {
      const oldest = new Date(now().getTime() - keepDays * 86_400_000).toISOString().slice(0, 10);
      const lines = written.linesSince(oldest);
      if (lines !== undefined) await save(writtenFile, lines);
      const isStale = [...entries.values()].some(({ usedOn }) => usedOn < oldest);
      if (!isChanged && !isStale) return;
      const kept = [...entries.values()]
        .filter(({ usedOn }) => usedOn >= oldest)
        .sort((a, b) => byBytes(idOf(a.path, a.key), idOf(b.path, b.key)));
      await save(file, kept.map(entry => `${JSON.stringify(entry)}\n`).join(''));
      if (isStale) await sweep(folder, new Set(kept.flatMap(({ result }) => blobsOf(result))));
    },
  };
}

/** What was made of a file. */
export function blobsOf({ after, map, variants, encodings }: FileResult): string[] {
  return [after, map, ...variants, ...encodings].flatMap(each => each?.sha256 ?? []);
}

function idOf(path: string, key: string): string {
  return `${key} ${path}`;
}

/** A line that cannot be read is one file that is worked on again. */
async function readIndex(file: string): Promise<Map<string, Entry>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const entries = new Map<string, Entry>();
  for (const line of text.split('\n')) {
    const entry = line === '' ? undefined : readEntry(line);
    if (entry) entries.set(idOf(entry.path, entry.key), entry);
  }
  return entries;
}

function readEntry(line: string): Entry | undefined {
  try {
    return entrySchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

async function sweep(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(join(folder, 'blobs'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !kept.has(entry.name)) await rm(join(entry.parentPath, entry.name), { force: true });
  }
}

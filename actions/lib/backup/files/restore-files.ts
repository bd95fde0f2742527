import { mkdir, readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, formatCount, type Log, type Progress, type ProgressTask } from '../../log/index.ts';
import { startChild } from '../../process/index.ts';
import type { Storage } from '../../storage/index.ts';
import { readPart } from '../parts/part-reader.ts';
import type { FilesManifest, Part } from '../sets/manifest.ts';
import { chainOf } from './chain.ts';
import { EscapeGuard } from './escape.ts';
import { extractArgs, findGnuTar, tarEnvironment } from './gnu-tar.ts';
import { TarReader } from './tar-stream.ts';

export interface RestoreFilesOptions {
  storage: Storage;
  manifest: FilesManifest;
  identities: readonly string[];
  /** Made when it is missing. */
  targetDir: string;
  /** Also into a folder that has something in it; tar then removes what the set does not have from the set's folders. */
  force: boolean;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface RestoreFilesResult {
  archives: number;
  plainBytes: number;
  /** What tar had to say without failing, e.g. an attribute that this file system does not keep. */
  messages: string;
  timings: { checkSeconds: number; unpackSeconds: number; totalSeconds: number };
}

/**
 * Unpacks the archives of a set in order. Every one is read twice, since what is unpacked cannot be taken back: first
 * to check its hashes and that each entry stays in the folder, and only when all are sound, to unpack it.
 * @throws OpsError `RESTORE_NOT_EMPTY`, `FILES_ESCAPE`, `FILES_ARCHIVE`, `SET_DAMAGED`, `AGE_NO_MATCH`,
 * `BACKUP_IDENTITY` — nothing was written; `RESTORE_FAILED`, `STORAGE_FULL` (the target's disk), `STORAGE_*` — something may have been
 */
export async function restoreFiles(options: RestoreFilesOptions): Promise<RestoreFilesResult> {
  const { manifest, targetDir, signal } = options;
  const startedAt = performance.now();
  const archives = chainOf(manifest).map(({ archive }) => archive);
  const command = await findGnuTar(signal);
  await requireEmpty(options);
  const storedBytes = archives.reduce((sum, part) => sum + part.storedBytes, 0);
  const task = options.progress.start(`restoring ${manifest.id}`, storedBytes * 2, formatBytes);
  try {
    const guard = new EscapeGuard();
    for (const part of archives) await checkArchive(part, guard, options, task);
    const checkSeconds = seconds(startedAt);
    await mkdir(targetDir, { recursive: true });
    const messages: string[] = [];
    for (const part of archives) messages.push(await unpack(command, part, options, task));
    const said = messages.filter(text => text !== '').join('\n');
    if (said !== '') options.log.debug(`tar said while unpacking: ${said}`);
    options.log.debug(`Restored ${formatCount(manifest.files.entries)} entries into ${targetDir}`);
    const totalSeconds = seconds(startedAt);
    return {
      archives: archives.length,
      plainBytes: archives.reduce((sum, part) => sum + part.plainBytes, 0),
      messages: said,
      timings: { checkSeconds, unpackSeconds: totalSeconds - checkSeconds, totalSeconds },
    };
  } finally {
    task.done();
  }
}

async function requireEmpty({ targetDir, force }: RestoreFilesOptions): Promise<void> {
  let names: string[];
  try {
    names = await readdir(targetDir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return;
    throw new OpsError('RESTORE_FAILED', `${targetDir} cannot be restored into (${code})`, {
      hint: 'Give a folder that is empty or does not exist yet.',
      cause: error,
    });
  }
  if (names.length === 0 || force) return;
  throw new OpsError('RESTORE_NOT_EMPTY', `${targetDir} is not empty`, {
    hint: 'Give an empty folder. With --force the set is unpacked over it: files of the same names are replaced, and what the set does not have is removed from its folders.',
    exit: 'usage',
  });
}

async function checkArchive(
  part: Part,
  guard: EscapeGuard,
  options: RestoreFilesOptions,
  task: ProgressTask,
): Promise<void> {
  const reader = new TarReader({ entry: entry => guard.check(entry), content() {}, done() {} });
  const onStored = (bytes: number) => task.advance(bytes);
  // A part that is damaged is reported as that, and not as an archive that is no archive: hashes come last.
  let refused: unknown;
  for await (const chunk of readPart(options.storage, part, { ...options, onStored })) {
    if (refused) continue;
    try {
      reader.push(chunk);
    } catch (error) {
      refused = error;
    }
  }
  if (refused) throw refused;
  reader.end();
}

async function unpack(command: string, part: Part, options: RestoreFilesOptions, task: ProgressTask): Promise<string> {
  const child = startChild({
    command,
    args: extractArgs(options.targetDir),
    env: tarEnvironment,
    name: 'tar',
    errorCode: 'RESTORE_FAILED',
    hint: () => `The folder ${options.targetDir} is incomplete: remove it, and restore again.`,
    signal: options.signal,
  });
  child.stdout.resume();
  const onStored = (bytes: number) => task.advance(bytes);
  try {
    await pipeline(Readable.from(readPart(options.storage, part, { ...options, onStored })), child.stdin);
    return (await child.done).stderr;
  } catch (error) {
    child.kill();
    await child.done.catch(() => {});
    if (child.stderrTail().includes('No space left on device')) {
      throw new OpsError('STORAGE_FULL', `The disk of ${options.targetDir} is full: the set was not restored`, {
        hint: 'Make room or give a folder on another disk, remove what was restored, and restore again.',
        cause: error,
      });
    }
    throw error;
  }
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

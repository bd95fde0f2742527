import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import { changedFiles, keptPath, type Shelf } from './changes.ts';
import { replaceFile } from './replace-file.ts';
import type { Report } from './report.ts';

/** Where reports are kept: the working tree, or a branch on GitHub. */
export interface ReportStore {
  /** Keeps the report and all that follows from it; resolves to its path. Saving the same report again changes nothing. */
  save(report: Report): Promise<string>;
}

/** @param warn told what comes near a limit @throws OpsError `REPORT_STORE` (the folder, or a file that is damaged), and what `changedFiles` throws */
export function createDirectoryStore(folder: string, warn?: (text: string) => void): ReportStore {
  return {
    async save(report) {
      const path = join(folder, keptPath(report));
      try {
        await mkdir(folder, { recursive: true });
        await using _ = await lock(join(folder, '.lock'));
        // The report comes last: where it is, the rest is too.
        for (const [name, text] of await changedFiles(report, folderShelf(folder), warn)) {
          await replaceFile(join(folder, name), text);
        }
      } catch (cause) {
        if (cause instanceof OpsError) throw cause;
        throw new OpsError('REPORT_STORE', `Could not write ${path}: ${(cause as Error).message}`, {
          hint: 'Check that the reports folder (reports.path) is writable.',
          cause,
        });
      }
      return path;
    },
  };
}

function folderShelf(folder: string): Shelf {
  return {
    read: path => orUndefined(readFile(join(folder, path), 'utf8')),
    async list(path) {
      const entries = (await orUndefined(readdir(join(folder, path), { withFileTypes: true }))) ?? [];
      return entries
        .filter(entry => !entry.name.endsWith('.tmp'))
        .map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }));
    },
  };
}

async function orUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const lockPollMs = 20;
/** Saving takes milliseconds: a lock of this age was left by a process that died. */
const staleLockMs = 30_000;

/** One writer at a time, of all processes: the samples of a day are read, added to, and written. */
async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      await (await open(path, 'wx')).close();
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const held = await orUndefined(stat(path));
    if (held && Date.now() - held.mtimeMs > staleLockMs) await rm(path, { force: true });
    await wait(lockPollMs * (0.5 + Math.random()));
  }
}

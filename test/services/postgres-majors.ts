import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'vitest';

const modules = join(import.meta.dirname, '../servers/node_modules');

/** Majors that npm brings, as servers alone: initdb, pg_ctl, postgres and the extensions of contrib, no client programs. */
export const packagedMajors = [13, 14, 16, 17, 18] as const;
export type PackagedMajor = (typeof packagedMajors)[number];

export interface PackagedServer {
  major: PackagedMajor;
  binDir: string;
  /** False on another platform than Linux on x64, for which there is no package. */
  isThere: boolean;
}

/** Where the package `postgres-<major>` has its programs. */
export function packagedServer(major: PackagedMajor): PackagedServer {
  const folder = join(modules, `postgres-${major}`, 'native');
  const isThere = existsSync(join(folder, 'bin', 'postgres'));
  return { major, binDir: join(isThere ? reachable(folder, major) : folder, 'bin'), isThere };
}

/** As root a server is started as another user, who may not enter a checkout below `/root`: there it is copied, once. */
function reachable(folder: string, major: PackagedMajor): string {
  if (process.getuid?.() !== 0 || ancestorsOf(folder).every(each => (statSync(each).mode & 0o001) !== 0)) return folder;
  const { mtimeMs, ino } = statSync(join(folder, 'bin', 'postgres'));
  const copy = join(tmpdir(), `ops-postgres-${major}-${ino}-${Math.round(mtimeMs)}`);
  if (existsSync(copy)) return copy;
  // Whole or not at all: another test file may look for it at this moment.
  const half = mkdtempSync(join(tmpdir(), 'ops-postgres-'));
  try {
    cpSync(folder, join(half, 'native'), { recursive: true, verbatimSymlinks: true });
    renameSync(join(half, 'native'), copy);
  } catch (thrown) {
    if (!existsSync(copy)) throw thrown;
  } finally {
    rmSync(half, { recursive: true, force: true });
  }
  return copy;
}

function ancestorsOf(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestorsOf(parent)];
}

/** `describe` for each of these majors. One that is missing is skipped; in CI (`CI=true`) that is a failure. */
export function describeMajors(majors: readonly PackagedMajor[], tests: (server: PackagedServer) => void): void {
  for (const server of majors.map(packagedServer)) {
    const title = `PostgreSQL ${server.major}`;
    if (server.isThere) {
      describe(title, () => tests(server));
      continue;
    }
    const reason = `the package postgres-${server.major} is not installed: npm ci in test/servers, on Linux on x64`;
    describe.skip(`${title} (skipped: ${reason})`, () => tests(server));
    if (process.env.CI !== 'true') continue;
    test(`${title} is tried`, () => {
      throw new Error(reason);
    });
  }
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';

const modules = join(import.meta.dirname, '../../node_modules');

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
  const binDir = join(modules, `postgres-${major}`, 'native', 'bin');
  return { major, binDir, isThere: existsSync(join(binDir, 'postgres')) };
}

/** `describe` for each of these majors. One that is missing is skipped; in CI (`CI=true`) that is a failure. */
export function describeMajors(majors: readonly PackagedMajor[], tests: (server: PackagedServer) => void): void {
  for (const server of majors.map(packagedServer)) {
    const title = `PostgreSQL ${server.major}`;
    if (server.isThere) {
      describe(title, () => tests(server));
      continue;
    }
    const reason = `the package postgres-${server.major} is not installed: npm ci, on Linux on x64`;
    describe.skip(`${title} (skipped: ${reason})`, () => tests(server));
    if (process.env.CI !== 'true') continue;
    test(`${title} is tried`, () => {
      throw new Error(reason);
    });
  }
}

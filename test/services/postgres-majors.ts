import { existsSync } from 'node:fs';
import { join } from 'node:path';

const modules = join(import.meta.dirname, '../../node_modules');

/** Majors that npm brings, as servers alone: initdb, pg_ctl, postgres and the extensions of contrib, no client programs. */
export const packagedMajors = [13, 14, 16, 17, 18] as const;

export interface PackagedServer {
  major: number;
  binDir: string;
  /** False on another platform than Linux on x64, for which there is no package. */
  isThere: boolean;
}

/** Where the package `postgres-<major>` has its programs. */
export function packagedServer(major: (typeof packagedMajors)[number]): PackagedServer {
  const binDir = join(modules, `postgres-${major}`, 'native', 'bin');
  return { major, binDir, isThere: existsSync(join(binDir, 'postgres')) };
}

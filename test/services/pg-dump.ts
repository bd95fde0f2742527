import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findClientTools } from '../../actions/lib/postgres/index.ts';
import type { PackagedServer } from './postgres-majors.ts';

/** Of the program in the package, as its dumps say. */
const version = '18.3';

export interface Programs extends AsyncDisposable {
  binDir: string;
}

/**
 * A folder with the programs of a packaged server, and with pg_dump, which its package lacks: that of 18 from npm, which
 * dumps every earlier major as well. psql and the others are those of this machine.
 */
export async function withPgDump(server: PackagedServer): Promise<Programs> {
  const installed = await findClientTools(13, { orNewer: true });
  const binDir = await mkdtemp(join(tmpdir(), 'ops-programs-'));
  // A server runs as another user where the tests run as root.
  await chmod(binDir, 0o755);
  const script = join(binDir, 'pg_dump');
  const program = join(import.meta.dirname, '../servers/pg-dump-program.ts');
  await writeFile(
    script,
    `#!/bin/sh\n[ "$1" = --version ] && exec echo 'pg_dump (PostgreSQL) ${version}'\nexec '${process.execPath}' '${program}' "$@"\n`,
  );
  await chmod(script, 0o755);
  const link = (name: string, folder: string) => symlink(join(folder, name), join(binDir, name));
  for (const name of ['initdb', 'pg_ctl', 'postgres']) await link(name, server.binDir);
  for (const name of ['pg_dumpall', 'pg_restore', 'psql']) await link(name, installed.binDir);
  return { binDir, [Symbol.asyncDispose]: () => rm(binDir, { recursive: true, force: true }) };
}

import { type ClientTools, clientProgram, type PostgresTarget } from '../../postgres/index.ts';
import { startChild } from '../../process/index.ts';
import type { Catalog } from './catalog.ts';
import { pgDumpPatterns } from './patterns.ts';

/**
 * The parts that PostgreSQL's own tools write: definitions and everything that is not plain rows. Custom format without
 * compression, since zstd follows; to a pipe it carries no offsets, which only rows would need.
 */
export type ArchiveKind = 'schema' | 'blobs' | 'roles';

export interface ArchiveOptions {
  tools: ClientTools;
  target: PostgresTarget;
  /** Exported by the transaction that leads the backup. */
  snapshot: string;
  catalog: Catalog;
  /** Of the database. */
  encoding: string;
  signal: AbortSignal;
}

/** `inputs → argv` as data. https://www.postgresql.org/docs/current/app-pgdump.html */
export function archiveArguments(kind: ArchiveKind, snapshot: string, catalog: Catalog, database: string): string[] {
  // Passwords would need superuser rights and are hashes worth stealing; a restored role gets a new one.
  if (kind === 'roles') {
    return ['--roles-only', '--no-role-passwords', '--no-password', `--database=${connectionName(database)}`];
  }
  const common = [
    '--format=custom',
    '--compress=0',
    `--snapshot=${snapshot}`,
    '--no-password',
    '--lock-wait-timeout=60s',
  ];
  if (kind === 'blobs') return [...common, '--data-only', '--blobs', '--exclude-table-data=*.*'];
  return [
    ...common,
    // Large objects go to an archive of their own: this one must stay small, a restore keeps it on disk.
    '--no-blobs',
    ...pgDumpPatterns(catalog.withoutData).map(pattern => `--exclude-table-data=${pattern}`),
    ...pgDumpPatterns(catalog.excluded).map(pattern => `--exclude-table=${pattern}`),
  ];
}

/** Streams an archive; its end comes only after the program has exited with 0. @throws OpsError `PG_DUMP`, `PG_LOST` and its like */
export function startArchive(kind: ArchiveKind, options: ArchiveOptions) {
  return startChild(
    clientProgram(options.target, {
      command: kind === 'roles' ? options.tools.pgDumpall : options.tools.pgDump,
      name: kind === 'roles' ? 'pg_dumpall' : 'pg_dump',
      args: archiveArguments(kind, options.snapshot, options.catalog, options.target.database),
      // Text of SQL_ASCII is any bytes, and must not be taken for UTF-8 on its way out.
      ...(options.encoding === 'SQL_ASCII' && { env: { PGCLIENTENCODING: 'SQL_ASCII' } }),
      signal: options.signal,
      errorCode: 'PG_DUMP',
      hint: hintFor,
    }),
  );
}

/** libpq reads a database name with `=` or a URL prefix in it as a connection string; this one never is. */
export function connectionName(database: string): string {
  return `dbname='${database.replace(/[\\']/g, '\\$&')}'`;
}

/**
 * What pg_dumpall writes about roles, so that it leaves roles alone that exist already: it creates each one bare and
 * gives it its attributes in a second statement, which would also take effect on a role of that name which is
 * there, and could take SUPERUSER or LOGIN from it. As one statement, it fails as a whole.
 */
export function creatingRolesOnly(script: Buffer): Buffer {
  // latin1 keeps every byte of names in any encoding.
  const text = script
    .toString('latin1')
    .replace(/^CREATE ROLE ("(?:[^"]|"")+"|\S+);\nALTER ROLE \1 WITH /gm, 'CREATE ROLE $1 WITH ');
  return Buffer.from(text, 'latin1');
}

function hintFor(stderr: string): string | undefined {
  if (/server version mismatch/.test(stderr)) return 'Install the client of the server’s own major version.';
  if (/permission denied|must be owner/.test(stderr)) {
    return 'Give the backup role read access: GRANT pg_read_all_data TO <role> (PostgreSQL 14 and later), or use the owner.';
  }
  return undefined;
}

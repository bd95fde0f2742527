import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { OpsError } from '../../errors/index.ts';
import { type ClientTools, clientProgram } from '../../postgres/index.ts';
import { runChild } from '../../process/index.ts';
import { readPart } from '../parts/part-reader.ts';
import { partOf } from '../sets/manifest.ts';
import { connectionName } from './archive.ts';
import { type Entry, parseContents } from './contents.ts';
import type { RestoreOptions } from './restore.ts';

export interface Definitions {
  tools: ClientTools;
  /** Path of pg_dump's archive, in the folder `scratch`. */
  archive: string;
  scratch: string;
  entries: readonly Entry[];
  /** False where the target lacks one: everything then goes to its default. */
  withTablespaces: boolean;
}

export type Section = 'pre-data' | 'data' | 'post-data';

/**
 * The archive of a set on disk, and what of it is restored. Comments on extensions belong to whoever owns the extension:
 * on managed servers, not us. With the rows of some tables only, foreign keys could not hold.
 */
export async function readDefinitions(
  target: { tools: ClientTools; withTablespaces: boolean },
  scratch: string,
  options: RestoreOptions,
): Promise<Definitions> {
  const archive = await fetchArchive(options, scratch);
  const { stdout } = await runChild({
    command: target.tools.pgRestore,
    args: ['--list', '--verbose', archive],
    signal: options.signal,
    errorCode: 'PG_RESTORE',
    name: 'pg_restore',
  });
  const isPartial = options.tables.length > 0;
  const leftOut = new Set(options.manifest.database.leftOutForeignKeys);
  const entries = parseContents(stdout).filter(({ oid, text }) => {
    if (text.startsWith('COMMENT - EXTENSION ')) return false;
    return !text.startsWith('FK CONSTRAINT ') || !(isPartial || leftOut.has(oid));
  });
  return { ...target, archive, scratch, entries };
}

/** The archive of definitions as a file, which parallel pg_restore needs; it holds no rows and stays small. */
async function fetchArchive(options: RestoreOptions, scratch: string): Promise<string> {
  const path = join(scratch, 'schema.dump');
  const part = partOf(options.manifest, 'schema');
  if (!part) throw new OpsError('SET_DAMAGED', `Set ${options.manifest.id} has no part with its definitions`);
  await pipeline(readPart(options.storage, part, options), createWriteStream(path, { mode: 0o600 }));
  return path;
}

/** `inputs → argv` as data. https://www.postgresql.org/docs/current/app-pgrestore.html */
export function sectionArguments(
  section: Section,
  work: Pick<Definitions, 'archive' | 'withTablespaces'> &
    Pick<RestoreOptions, 'noOwner' | 'target'> & { list: string; connections: number },
): string[] {
  return [
    '--exit-on-error',
    '--no-password',
    `--section=${section}`,
    `--use-list=${work.list}`,
    // The name alone: everything else, the password above all, is in the environment.
    `--dbname=${connectionName(work.target.database)}`,
    ...(section === 'post-data' && work.connections > 1 ? [`--jobs=${work.connections}`] : []),
    ...(work.noOwner ? ['--no-owner', '--no-privileges'] : []),
    ...(work.withTablespaces ? [] : ['--no-tablespaces']),
    work.archive,
  ];
}

/**
 * Restores those of `entries` that are of the section.
 * @param connections of those of `options.jobs`; only the last section can use more than one
 * @throws OpsError `PG_RESTORE`, `RESTORE_EXTENSION`, `PG_*`
 */
export async function restoreSection(
  section: Section,
  entries: readonly Entry[],
  definitions: Definitions,
  options: Pick<RestoreOptions, 'target' | 'noOwner' | 'signal' | 'jobs'>,
  connections: number = options.jobs,
): Promise<void> {
  const list = join(definitions.scratch, `list-${randomUUID()}`);
  await writeFile(list, entries.map(({ id }) => `${id};\n`).join(''));
  // Their statements would be compiled for longer than they run: foreign keys are checked by a query.
  const settings = `-c synchronous_commit=off -c jit=off -c maintenance_work_mem=${indexMemory(options.jobs)}`;
  try {
    await runChild(
      clientProgram(options.target, {
        command: definitions.tools.pgRestore,
        args: sectionArguments(section, { ...definitions, ...options, list, connections }),
        env: { PGOPTIONS: `${options.target.options ?? ''} ${settings}` },
        signal: options.signal,
        errorCode: 'PG_RESTORE',
        name: 'pg_restore',
        hint: restoreHint,
      }),
    );
  } catch (error) {
    throw clarified(error);
  }
}

/** Sorting for an index in memory is what makes building it fast; half a gigabyte in all is what a small server has. */
function indexMemory(jobs: number): string {
  return `${Math.max(64, Math.floor(512 / jobs))}MB`;
}

function clarified(error: unknown): unknown {
  if (!(error instanceof OpsError)) return error;
  const extension =
    /extension "([^"]+)" is not available|could not open extension control file "[^"]*\/([^/"]+)\.control"/.exec(
      error.message,
    );
  if (extension) {
    const name = extension[1] ?? extension[2];
    return new OpsError('RESTORE_EXTENSION', `The server has no extension ${name}, which the set needs`, {
      hint: `Install the package that brings ${name} (postgresql-contrib, or postgresql-<major>-${name}) and run again.`,
      cause: error,
    });
  }
  return error;
}

export function restoreHint(stderr: string): string | undefined {
  if (/role "[^"]+" does not exist/.test(stderr)) return 'Add --roles to create the recorded roles, or --no-owner.';
  if (/must be owner of|permission denied/.test(stderr))
    return 'Restore as the owner of the database, or add --no-owner.';
  return undefined;
}

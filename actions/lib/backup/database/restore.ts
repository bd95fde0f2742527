import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, type Log, type Progress } from '../../log/index.ts';
import {
  type ClientTools,
  clientProgram,
  connect,
  copyIn,
  findClientTools,
  type PostgresTarget,
  pgError,
  quoteQualified,
  serverFacts,
  workFailure,
} from '../../postgres/index.ts';
import { runChild } from '../../process/index.ts';
import type { Storage } from '../../storage/index.ts';
import { readPart } from '../parts/part-reader.ts';
import type { DatabaseManifest, Part } from '../sets/manifest.ts';
import { connectionName } from './archive.ts';
import { pinnedSettings } from './copy-statement.ts';
import { compilePatterns } from './patterns.ts';

export interface RestoreOptions {
  storage: Storage;
  manifest: DatabaseManifest;
  target: PostgresTarget;
  identities: readonly string[];
  jobs: number;
  /** Rows of these tables only (patterns); definitions are whole, foreign keys are left out. Empty: everything. */
  tables: readonly string[];
  /** Drop everything in the target database first. */
  force: boolean;
  /** Create the recorded roles that are missing. */
  withRoles: boolean;
  /** Leave owners and grants out: everything belongs to the user that restores. */
  noOwner: boolean;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface RestoreResult {
  rows: number;
  plainBytes: number;
  timings: {
    definitionsSeconds: number;
    rowsSeconds: number;
    indexesSeconds: number;
    analyzeSeconds: number;
    totalSeconds: number;
  };
}

/**
 * A set into an empty database: roles on request, definitions, rows by several connections, then indexes, constraints
 * and triggers, then statistics. A part is committed only after its hashes match the manifest.
 * @throws OpsError `RESTORE_NOT_EMPTY`, `RESTORE_MAJOR`, `RESTORE_ROLE`, `RESTORE_EXTENSION`, `RESTORE_NO_TABLE`,
 *   `PG_RESTORE`, `SET_DAMAGED`, `AGE_NO_MATCH`, `PG_*`, `STORAGE_*`
 */
export async function restoreDatabase(options: RestoreOptions): Promise<RestoreResult> {
  const { manifest, target } = options;
  const chosen = chooseTables(manifest, options.tables);
  const { tools, withTablespaces } = await prepareTarget(options);
  const scratch = await mkdtemp(join(tmpdir(), 'ops-restore-'));
  const clock = stopwatch();
  try {
    const archive = await fetchArchive(options, scratch);
    const list = await tableOfContents(tools, archive, scratch, options);
    const work: SectionWork = { tools, archive, list, withTablespaces, ...options };
    await restoreSection('pre-data', work);
    const definitionsSeconds = clock.lap();
    const loaded = await loadRows(options, chosen);
    const rowsSeconds = clock.lap();
    await restoreBlobs(tools, options);
    await restoreSection('data', work);
    await restoreSection('post-data', work);
    const indexesSeconds = clock.lap();
    await analyze(options);
    const analyzeSeconds = clock.lap();
    return {
      ...loaded,
      timings: { definitionsSeconds, rowsSeconds, indexesSeconds, analyzeSeconds, totalSeconds: clock.total() },
    };
  } catch (error) {
    throw await workFailure(error, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Indexes into the manifest's tables; undefined: all. */
function chooseTables(manifest: DatabaseManifest, patterns: readonly string[]): Set<number> | undefined {
  if (patterns.length === 0) return undefined;
  const compiled = compilePatterns(patterns);
  const chosen = new Set(manifest.database.tables.flatMap((table, i) => (compiled.matches(table) ? [i] : [])));
  const unmatched = compiled.unmatched();
  if (unmatched.length > 0) {
    throw new OpsError(
      'RESTORE_NO_TABLE',
      `No table of set ${manifest.id} matches ${unmatched.map(p => `'${p}'`).join(', ')}`,
      {
        hint: 'The tables of a set stand at the end of its RESTORE.md.',
        exit: 'usage',
      },
    );
  }
  return chosen;
}

/** Checks the target before anything is changed in it, and empties it when told to. */
async function prepareTarget(options: RestoreOptions): Promise<{ tools: ClientTools; withTablespaces: boolean }> {
  const { manifest, target } = options;
  const client = await connect(target, { applicationName: 'production-ops restore', signal: options.signal });
  try {
    const facts = await serverFacts(client);
    if (facts.major < manifest.database.major) {
      throw new OpsError(
        'RESTORE_MAJOR',
        `The set is of PostgreSQL ${manifest.database.major} and ${target.display} is ${facts.major}`,
        {
          hint: `Restore into PostgreSQL ${manifest.database.major} or later.`,
          exit: 'usage',
        },
      );
    }
    const tools = await findClientTools(facts.major, { signal: options.signal });
    const inTheWay = await userObjects(client);
    if (inTheWay.length > 0 && !options.force) throw notEmpty(inTheWay, target);
    if (options.withRoles) await restoreRoles(tools, options);
    if (!options.noOwner) await assertRolesExist(client, manifest);
    const withTablespaces = await hasTablespaces(client, options);
    if (options.force) await emptyDatabase(client, facts.major, options);
    return { tools, withTablespaces };
  } catch (error) {
    throw await workFailure(error, target, client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function assertRolesExist(client: pg.Client, manifest: DatabaseManifest): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select wanted as name from unnest($1::text[]) as wanted where not exists (select 1 from pg_roles where rolname = wanted) order by 1',
    [manifest.database.roles],
  );
  if (rows.length === 0) return;
  const names = rows.map(row => row.name);
  throw new OpsError(
    'RESTORE_ROLE',
    `The target lacks ${names.length === 1 ? 'the role' : 'the roles'} ${names.join(', ')}, who own or may use what is restored`,
    {
      hint: 'Add --roles to create them (without passwords), or --no-owner to leave owners and grants out.',
      exit: 'usage',
    },
  );
}

async function hasTablespaces(client: pg.Client, { manifest, target, log }: RestoreOptions): Promise<boolean> {
  const { rows } = await client.query<{ name: string }>(
    'select wanted as name from unnest($1::text[]) as wanted where not exists (select 1 from pg_tablespace where spcname = wanted) order by 1',
    [manifest.database.tablespaces],
  );
  if (rows.length === 0) return true;
  log.warn(
    `${target.display} lacks the tablespaces ${rows.map(row => row.name).join(', ')}: everything goes to its default one`,
  );
  return false;
}

function notEmpty(names: readonly string[], target: PostgresTarget): OpsError {
  const named = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  return new OpsError(
    'RESTORE_NOT_EMPTY',
    `${target.display} is not empty: it has ${names.length} ${names.length === 1 ? 'object' : 'objects'} (${named})`,
    {
      hint: 'Restore into a new database, or add --force, which drops everything in this one first.',
      exit: 'usage',
    },
  );
}

const isOfUser = (schema: string) =>
  `${schema}.nspname not in ('pg_catalog', 'information_schema') and ${schema}.nspname !~ '^pg_'`;
const isOfExtension = (catalog: string, oid: string) =>
  `exists (select 1 from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** What would be in the way of a restore. Extensions may be there: a hosted server often brings some. */
async function userObjects(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and ${isOfUser('n')} and not ${isOfExtension('pg_class', 'c.oid')}
    union all
    select format('%I.%I()', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where ${isOfUser('n')} and not ${isOfExtension('pg_proc', 'p.oid')}
    union all
    select format('%I.%I', n.nspname, t.typname) from pg_type t join pg_namespace n on n.oid = t.typnamespace
     where t.typtype in ('d', 'e', 'r') and ${isOfUser('n')} and not ${isOfExtension('pg_type', 't.oid')}
    union all
    select format('schema %I', n.nspname) from pg_namespace n
     where ${isOfUser('n')} and n.nspname <> 'public' and not ${isOfExtension('pg_namespace', 'n.oid')}
    union all
    (select format('large object %s', m.oid) from pg_largeobject_metadata m order by m.oid limit 1000)`);
  return rows.map(row => row.name);
}

/** In this order: event triggers would fire, and extensions may lie in schemas that are no one's to drop. */
const dropStatements = `
  select 1 as step, format('drop event trigger %I', evtname) as statement from pg_event_trigger
   where not ${isOfExtension('pg_event_trigger', 'oid')}
  union all select 2, format('drop publication %I', pubname) from pg_publication
  union all select 3, format('drop extension if exists %I cascade', extname) from pg_extension
             where extname <> 'plpgsql' and pg_has_role(extowner, 'usage')
  union all select 4, format('drop schema if exists %I cascade', n.nspname) from pg_namespace n where ${isOfUser('n')}
  union all select 5, format('drop foreign data wrapper if exists %I cascade', fdwname) from pg_foreign_data_wrapper
             where not ${isOfExtension('pg_foreign_data_wrapper', 'oid')}
  union all select 5, format('drop language if exists %I cascade', lanname) from pg_language
             where oid >= 16384 and not ${isOfExtension('pg_language', 'oid')}
  union all select 5, format('drop access method if exists %I cascade', amname) from pg_am
             where oid >= 16384 and not ${isOfExtension('pg_am', 'oid')}
  union all select 5, format('drop cast if exists (%s as %s)', format_type(castsource, null), format_type(casttarget, null))
              from pg_cast where oid >= 16384 and not ${isOfExtension('pg_cast', 'oid')}
  union all select step, format('alter default privileges for role %s %s', d.defaclrole::regrole, format(change, kind.word))
              from pg_default_acl d
              join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions'), ('T', 'types'), ('n', 'schemas')) kind(letter, word)
                on kind.letter = d.defaclobjtype::text
             cross join lateral (
               select 6 as step, format('revoke all on %%s from %s', case grantee when 0 then 'public' else grantee::regrole::text end) as change
                 from aclexplode(d.defaclacl)
               -- An entry that says what is so without it vanishes.
               union all select 7, format('grant all on %%s to %s', d.defaclrole::regrole)
               union all select 7, 'grant all on %s to public' where d.defaclobjtype in ('f', 'T')) changes
             where d.defaclnamespace = 0
   order by step`;

const largeObjectsPerTransaction = 1000;

/** Everything that a dump of a database holds goes, in one transaction; the schema public is made as a new database has it. */
async function emptyDatabase(client: pg.Client, major: number, options: RestoreOptions): Promise<void> {
  options.log.warn(`Dropping everything in ${options.target.display}, as --force says`);
  await client.query('begin');
  await client.query(`set local client_min_messages = warning; set local search_path = ''`);
  for (const { statement } of (await client.query<{ statement: string }>(dropStatements)).rows) {
    await client.query(statement);
  }
  await client.query(
    major >= 15
      ? 'create schema public authorization pg_database_owner; grant usage on schema public to public'
      : 'create schema public; grant all on schema public to public',
  );
  await client.query(`comment on schema public is 'standard public schema'`);
  await client.query('commit');
  // Each one is a lock, and a server has room for some thousands of them.
  for (let removed = largeObjectsPerTransaction; removed === largeObjectsPerTransaction; ) {
    const { rowCount } = await client.query(
      `select lo_unlink(oid) from (select oid from pg_largeobject_metadata limit ${largeObjectsPerTransaction}) as batch`,
    );
    removed = rowCount ?? 0;
  }
}

async function restoreRoles(tools: ClientTools, options: RestoreOptions): Promise<void> {
  const part = partOf(options.manifest, 'roles');
  if (!part) return;
  // Roles that exist make their CREATE ROLE fail, and that is right: their attributes stay as they are.
  await runChild({
    ...clientProgram(options.target, {
      command: tools.psql,
      args: ['-X', '-q'],
      signal: options.signal,
      errorCode: 'PG_RESTORE',
      name: 'psql',
    }),
    input: Readable.from(readPart(options.storage, part, options)),
  });
}

/** The archive of definitions as a file, which parallel pg_restore needs; it holds no rows and stays small. */
async function fetchArchive(options: RestoreOptions, scratch: string): Promise<string> {
  const path = join(scratch, 'schema.dump');
  const part = partOf(options.manifest, 'schema');
  if (!part) throw new OpsError('SET_DAMAGED', `Set ${options.manifest.id} has no part with its definitions`);
  await pipeline(readPart(options.storage, part, options), createWriteStream(path, { mode: 0o600 }));
  return path;
}

/** The entries to restore. Comments on extensions belong to whoever owns the extension: on managed servers, not us. */
async function tableOfContents(
  tools: ClientTools,
  archive: string,
  scratch: string,
  options: RestoreOptions,
): Promise<string> {
  const { stdout } = await runChild({
    command: tools.pgRestore,
    args: ['--list', archive],
    signal: options.signal,
    errorCode: 'PG_RESTORE',
    name: 'pg_restore',
  });
  const isPartial = options.tables.length > 0;
  const leftOut = new Set(options.manifest.database.leftOutForeignKeys);
  const kept = stdout.split('\n').filter(line => {
    if (/^\d+; \d+ \d+ COMMENT - EXTENSION /.test(line)) return false;
    const foreignKey = /^\d+; \d+ (\d+) FK CONSTRAINT /.exec(line);
    // With the rows of some tables only, foreign keys could not hold.
    return !foreignKey || !(isPartial || leftOut.has(foreignKey[1]!));
  });
  const path = join(scratch, 'list');
  await writeFile(path, kept.join('\n'));
  return path;
}

interface SectionWork extends RestoreOptions {
  /** False where the target lacks one: everything then goes to its default. */
  withTablespaces: boolean;
  tools: ClientTools;
  archive: string;
  list: string;
}

type Section = 'pre-data' | 'data' | 'post-data';

/** `inputs → argv` as data. https://www.postgresql.org/docs/current/app-pgrestore.html */
export function sectionArguments(
  section: Section,
  work: Pick<SectionWork, 'archive' | 'list' | 'jobs' | 'noOwner' | 'target' | 'withTablespaces'>,
): string[] {
  return [
    '--exit-on-error',
    '--no-password',
    `--section=${section}`,
    `--use-list=${work.list}`,
    // The name alone: everything else, the password above all, is in the environment.
    `--dbname=${connectionName(work.target.database)}`,
    ...(section === 'post-data' ? [`--jobs=${work.jobs}`] : []),
    ...(work.noOwner ? ['--no-owner', '--no-privileges'] : []),
    ...(work.withTablespaces ? [] : ['--no-tablespaces']),
    work.archive,
  ];
}

async function restoreSection(section: Section, work: SectionWork): Promise<void> {
  const task = work.progress.start(
    { 'pre-data': 'definitions', data: 'sequences', 'post-data': 'indexes and constraints' }[section],
  );
  try {
    await runChild(
      clientProgram(work.target, {
        command: work.tools.pgRestore,
        args: sectionArguments(section, work),
        env: {
          PGOPTIONS: `${work.target.options ?? ''} -c synchronous_commit=off -c maintenance_work_mem=${indexMemory(work.jobs)}`,
        },
        signal: work.signal,
        errorCode: 'PG_RESTORE',
        name: 'pg_restore',
        hint: restoreHint,
      }),
    );
  } catch (error) {
    throw clarified(error);
  } finally {
    task.done();
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

function restoreHint(stderr: string): string | undefined {
  if (/role "[^"]+" does not exist/.test(stderr)) return 'Add --roles to create the recorded roles, or --no-owner.';
  if (/must be owner of|permission denied/.test(stderr))
    return 'Restore as the owner of the database, or add --no-owner.';
  return undefined;
}

/** Every row part, largest first, by `jobs` connections. */
async function loadRows(options: RestoreOptions, chosen: Set<number> | undefined) {
  const parts = options.manifest.parts
    .filter(part => part.role === 'rows' && (!chosen || part.slices?.some(slice => chosen.has(slice.table))))
    .sort((a, b) => b.plainBytes - a.plainBytes);
  const total = parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const task = options.progress.start('loading rows', total, formatBytes);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let rows = 0;
  const queue = [...parts];
  const worker = async () => {
    const client = await connect(options.target, {
      applicationName: 'production-ops restore worker',
      signal,
      settings: { ...pinnedSettings, synchronous_commit: 'off' },
    });
    try {
      for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
        signal.throwIfAborted();
        const loaded = await loadPart(client, part, chosen, { ...options, signal });
        rows += loaded;
        task.advance(part.plainBytes);
      }
    } catch (error) {
      throw pgError(error, options.target);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const lanes = Array.from({ length: options.jobs }, worker);
  for (const lane of lanes) lane.catch(error => stop.abort(error));
  await Promise.allSettled(lanes);
  task.done();
  options.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return { rows, plainBytes: total };
}

/** One part in one transaction: it is committed after the last byte was read and its hashes matched. */
async function loadPart(
  client: pg.Client,
  part: Part,
  chosen: Set<number> | undefined,
  options: RestoreOptions,
): Promise<number> {
  const bytes = new ByteReader(readPart(options.storage, part, options)[Symbol.asyncIterator]());
  let rows = 0;
  await client.query('begin');
  try {
    for (const slice of part.slices ?? []) {
      const table = options.manifest.database.tables[slice.table]!;
      await bytes.skipTo(slice.offset);
      if (chosen && !chosen.has(slice.table)) continue;
      const loaded = await copyIn(client, table.copyFrom, bytes.take(slice.plainBytes));
      if (loaded !== slice.rows) {
        throw new OpsError(
          'SET_DAMAGED',
          `${part.key}: ${loaded} rows of ${table.schema}.${table.name} were loaded, and ${slice.rows} were sent`,
        );
      }
      rows += loaded;
    }
    await bytes.drain();
    await client.query('commit');
    return rows;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  } finally {
    await bytes.close();
  }
}

/** Takes a byte stream apart at the offsets of the manifest. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source;
  }

  async skipTo(offset: number): Promise<void> {
    for await (const _ of this.take(offset - this.#position));
  }

  async *take(length: number): AsyncGenerator<Buffer> {
    let left = length;
    while (left > 0) {
      if (this.#chunk.length === 0 && !(await this.#next())) return; // the reader's own check names the part
      const piece = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(piece.length);
      this.#position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** Reads on to the end, where the hashes are compared. */
  async drain(): Promise<void> {
    while (await this.#next());
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #next(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#chunk = next.value;
    return true;
  }
}

async function restoreBlobs(tools: ClientTools, options: RestoreOptions): Promise<void> {
  const part = partOf(options.manifest, 'blobs');
  if (!part || options.tables.length > 0) return;
  await runChild({
    ...clientProgram(options.target, {
      command: tools.pgRestore,
      args: [
        '--exit-on-error',
        '--no-password',
        `--dbname=${connectionName(options.target.database)}`,
        ...(options.noOwner ? ['--no-owner', '--no-privileges'] : []),
      ],
      signal: options.signal,
      errorCode: 'PG_RESTORE',
      name: 'pg_restore',
      hint: restoreHint,
    }),
    input: Readable.from(readPart(options.storage, part, options)),
  });
}

/** Planner statistics, table by table over `jobs` connections: without them the first hours after a restore are slow. */
async function analyze(options: RestoreOptions): Promise<void> {
  const queue = options.manifest.database.tables.filter(table => table.rows > 0).sort((a, b) => b.rows - a.rows);
  const task = options.progress.start('statistics', queue.length);
  const worker = async () => {
    const client = await connect(options.target, { applicationName: 'production-ops restore', signal: options.signal });
    try {
      for (let table = queue.shift(); table !== undefined; table = queue.shift()) {
        await client.query(`analyze ${quoteQualified(table.schema, table.name)}`);
        task.advance(1);
      }
    } finally {
      await client.end().catch(() => {});
    }
  };
  try {
    await Promise.all(Array.from({ length: options.jobs }, worker));
  } finally {
    task.done();
  }
}

function partOf(manifest: DatabaseManifest, role: Part['role']): Part | undefined {
  return manifest.parts.find(part => part.role === role);
}

function stopwatch() {
  const startedAt = performance.now();
  let lapAt = startedAt;
  return {
    lap() {
      const now = performance.now();
      const seconds = (now - lapAt) / 1000;
      lapAt = now;
      return seconds;
    },
    total: () => (performance.now() - startedAt) / 1000,
  };
}

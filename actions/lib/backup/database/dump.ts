import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, type Log, type Progress } from '../../log/index.ts';
import {
  assertHoldsSnapshot,
  type ClientTools,
  type CopyBuffers,
  connect,
  copyOut,
  createCopyBuffers,
  findClientTools,
  type PostgresTarget,
  pgError,
  quoteQualified,
  type ServerFacts,
  serverFacts,
  workFailure,
} from '../../postgres/index.ts';
import { type Destination, openPart, type PartWriter } from '../parts/part-writer.ts';
import type { DatabaseManifest, Part, Slice } from '../sets/manifest.ts';
import { type ArchiveKind, creatingRolesOnly, startArchive } from './archive.ts';
import { type Catalog, readCatalog, type TableFacts } from './catalog.ts';
import { copyToStdout, partEnd, partPreamble, pinnedSettings, rowsEnd, rowsStart } from './copy-statement.ts';
import {
  type Evidence,
  planFingerprints,
  spanSequences,
  takeFingerprint,
  takeInventory,
  takeLargeObjects,
  takeSequences,
} from './evidence.ts';
import { matchingSlices, type PartPlan, planParts } from './plan.ts';
import { takeProperties } from './properties.ts';
import { canCompare, isUnchanged } from './unchanged.ts';

export interface DumpOptions {
  target: PostgresTarget;
  /** Key prefix of the parts of this set, ending with `/`. */
  partFolder: string;
  setId: string;
  destinations: readonly Destination[];
  recipients: readonly string[];
  compressionLevel: number;
  jobs: number;
  includeTables: readonly string[];
  excludeTables: readonly string[];
  excludeTableData: readonly string[];
  fingerprintLevel: 'sample' | 'full';
  /** A former set whose parts exist at every destination; undefined: everything is sent. */
  base: DatabaseManifest | undefined;
  /** For tests: smaller segments. */
  segmentBytes?: number;
  /** How long to wait for a table that somebody holds. Default 60. */
  lockTimeoutSeconds?: number;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface DumpResult {
  snapshotAt: Date;
  database: DatabaseManifest['database'];
  parts: Part[];
  baseId: string | null;
  warnings: string[];
  tools: ClientTools;
  timings: { rowsSeconds: number; evidenceSeconds: number; totalSeconds: number };
}

/** What a dump is before its first byte: for `--dry-run`, and for the executor. */
export interface DumpPlan {
  facts: ServerFacts;
  catalog: Catalog;
  parts: PartPlan[];
}

/**
 * One database into parts, all of one exported snapshot: `jobs` connections copy rows, `pg_dump` of the server's major
 * writes the rest, and what a restore will be compared with is read in the same snapshot.
 * @throws OpsError `PG_*`, `BACKUP_NO_TABLE`, `STORAGE_*` of the last destination
 */
export async function dumpDatabase(options: DumpOptions): Promise<DumpResult> {
  const leader = await connect(options.target, {
    applicationName: 'production-ops backup',
    signal: options.signal,
    settings: { ...pinnedSettings, lock_timeout: `${options.lockTimeoutSeconds ?? 60}s` },
  });
  try {
    await assertHoldsSnapshot(leader, options.target);
    const facts = await serverFacts(leader);
    const tools = await findClientTools(facts.major, { signal: options.signal });
    return await dumpInSnapshot(leader, facts, tools, options);
  } catch (error) {
    throw await workFailure(error, options.target, leader);
  } finally {
    await leader.end().catch(() => {});
  }
}

/** Reads what a dump would do, and sends nothing. */
export async function planDump(options: DumpOptions): Promise<DumpPlan> {
  const leader = await connect(options.target, {
    applicationName: 'production-ops backup',
    signal: options.signal,
    settings: pinnedSettings,
  });
  try {
    const facts = await serverFacts(leader);
    return planFrom(facts, await readCatalog(leader, catalogOptions(facts, options)), options);
  } catch (error) {
    throw pgError(error, options.target);
  } finally {
    await leader.end().catch(() => {});
  }
}

function catalogOptions(facts: ServerFacts, options: DumpOptions) {
  return {
    includeTables: options.includeTables,
    excludeTables: options.excludeTables,
    excludeTableData: options.excludeTableData,
    isInRecovery: facts.isInRecovery,
    serverVersion: facts.version,
    encoding: facts.encoding,
  };
}

function planFrom(facts: ServerFacts, catalog: Catalog, options: DumpOptions): DumpPlan {
  const parts = planParts(catalog.tables, {
    canCutByBlocks: facts.versionNum >= 140_000,
    ...(options.segmentBytes !== undefined && { segmentBytes: options.segmentBytes }),
  });
  return { facts, catalog, parts };
}

interface Snapshot {
  name: string;
  takenAt: Date;
  xmin: bigint;
  nextXid: bigint;
}

async function dumpInSnapshot(
  leader: pg.Client,
  facts: ServerFacts,
  tools: ClientTools,
  options: DumpOptions,
): Promise<DumpResult> {
  const startedAt = performance.now();
  const { snapshot, catalog } = await takeSnapshot(leader, facts, options);
  const plan = planFrom(facts, catalog, options);
  const warnings = [...catalog.warnings];
  const base = usableBase(options.base, facts, snapshot, options.log);

  const total = plan.parts.reduce((sum, part) => sum + part.estimatedBytes, 0);
  const task = options.progress.start(`copying ${facts.database}`, total, formatBytes);
  // One failure stops every worker, and so does the caller.
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const work: DumpWork = { options: { ...options, signal }, snapshot, plan, base, tools };
  // It idles while the workers copy: without the locks it holds, what they copy next may be empty.
  leader.once('error', error => stop.abort(error));

  const queue = [...plan.parts.entries()];
  const rowParts: Part[] = [];
  let rowsDoneAt = startedAt;
  const evidence: Evidence = {
    schema: 'production-ops/evidence/1',
    level: options.fingerprintLevel,
    fingerprints: [],
    inventory: {},
    sequences: [],
    largeObjects: { count: 0, hashes: {} },
  };
  let fingerprintQueue: ReturnType<typeof planFingerprints> | undefined;

  const sequencesBefore = await takeSequences(leader, catalog);

  const worker = async () => {
    const client = await joinSnapshot(options.target, snapshot.name, signal);
    const buffers = createCopyBuffers();
    let storing: Promise<void> | undefined;
    try {
      if (catalog.tables.length * options.jobs <= locksAhead) await lockTables(client, catalog.tables);
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        signal.throwIfAborted();
        const [index, part] = next;
        const copied = await copyPart(client, buffers, index, part, work);
        // Storing the end of a part waits for the disk or the network: the server copies the next one meanwhile.
        await storing;
        storing = copied.stored.then(stored => {
          rowParts[index] = stored;
          rowsDoneAt = performance.now();
          task.advance(part.estimatedBytes);
        });
        storing.catch(() => {}); // it is awaited below, or the run has failed already
      }
      await storing;
      // Rows of every table are only known when the last part is in; a worker that is early begins with what it can.
      fingerprintQueue ??= planFingerprints(
        catalog.tables.map(table => ({ ...table, rows: Math.max(0, table.estimatedRows) })),
        options.fingerprintLevel,
      ).reverse();
      for (let next = fingerprintQueue.shift(); next !== undefined; next = fingerprintQueue.shift()) {
        signal.throwIfAborted();
        const { schema, name } = next;
        evidence.fingerprints.push({ schema, name, fingerprint: await takeFingerprint(client, next) });
      }
    } finally {
      // Nothing may appear at a destination after the run has cleared up there.
      await storing?.catch(() => {});
      await client.end().catch(() => {});
    }
  };
  const archives = async () => {
    const kinds: ArchiveKind[] = [
      'schema',
      ...(catalog.largeObjects > 0 && !catalog.isPartial ? (['blobs'] as const) : []),
      'roles',
    ];
    const made: Part[] = [];
    for (const kind of kinds) made.push(await archivePart(kind, work));
    const properties = await takeProperties(leader, facts.encoding);
    if (properties) made.push(await writeWhole('properties', 'properties.sql', properties, work));
    // Sequences stand outside of snapshots: what pg_dump has read of each lies between these two.
    evidence.sequences = spanSequences(sequencesBefore, await takeSequences(leader, catalog));
    evidence.inventory = await takeInventory(leader, catalog);
    if (!catalog.isPartial) evidence.largeObjects = await takeLargeObjects(leader, options.fingerprintLevel);
    return made;
  };

  const lanes = [archives(), ...Array.from({ length: options.jobs }, worker)] as const;
  for (const lane of lanes) lane.catch(error => stop.abort(error));
  const settled = await Promise.allSettled(lanes);
  task.done();
  options.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  const archiveParts = settled[0].status === 'fulfilled' ? (settled[0].value as Part[]) : [];

  evidence.fingerprints.sort((a, b) => (`${a.schema}.${a.name}` < `${b.schema}.${b.name}` ? -1 : 1));
  const evidencePart = await writeWhole('evidence', 'evidence.json', Buffer.from(JSON.stringify(evidence)), work);
  const finishedAt = performance.now();
  const parts = [...archiveParts, ...rowParts, evidencePart];
  return {
    snapshotAt: snapshot.takenAt,
    database: describe(facts, snapshot, catalog, rowParts, base, options),
    parts,
    baseId: base?.id ?? null,
    warnings,
    tools,
    timings: {
      rowsSeconds: (rowsDoneAt - startedAt) / 1000,
      evidenceSeconds: (finishedAt - rowsDoneAt) / 1000,
      totalSeconds: (finishedAt - startedAt) / 1000,
    },
  };
}

interface DumpWork {
  options: DumpOptions;
  snapshot: Snapshot;
  plan: DumpPlan;
  base: DatabaseManifest | undefined;
  tools: ClientTools;
}

/**
 * A snapshot and the tables as they were in it. TRUNCATE and ALTER TABLE with a rewrite do not keep old row versions:
 * to a snapshot older than them the table reads as empty, unless its transaction had touched it before. So every table
 * is locked at once, which makes them wait for the end of the backup; one that was rewritten in the moment between
 * snapshot and lock has another file than the snapshot says, and then everything begins anew.
 * https://www.postgresql.org/docs/current/mvcc-caveats.html
 * @throws OpsError `PG_LOCKED`
 */
async function takeSnapshot(
  leader: pg.Client,
  facts: ServerFacts,
  options: DumpOptions,
): Promise<{ snapshot: Snapshot; catalog: Catalog }> {
  let known: readonly TableFacts[] = [];
  for (let attempt = 1; ; attempt++) {
    await leader.query(beginSnapshot);
    // From the second time on, what is known is locked before the snapshot (LOCK takes none), and cannot move again.
    if (known.length > 0 && !(await lockTables(leader, known))) await leader.query(`rollback; ${beginSnapshot}`);
    const snapshot = await exportSnapshot(leader);
    const catalog = await readCatalog(leader, catalogOptions(facts, options));
    if ((await lockTables(leader, catalog.tables)) && (await areInPlace(leader, catalog.tables))) {
      return { snapshot, catalog };
    }
    await leader.query('rollback');
    known = catalog.tables;
    options.log.debug(`A table changed its file right after snapshot ${attempt}: taking another one`);
    if (attempt === snapshotAttempts) {
      throw new OpsError('PG_LOCKED', `Tables were rewritten or dropped after each of ${attempt} snapshots`, {
        hint: 'Something truncates, rewrites or drops tables all the time; run the backup when it does not.',
      });
    }
  }
}

const beginSnapshot = 'begin isolation level repeatable read, read only';
const snapshotAttempts = 10;
/**
 * A worker that locks a table only when its turn comes may find a migration waiting for the leader's lock, and would
 * wait behind it for ever. So workers lock all tables at their start as well; not where that would fill the server's
 * lock table, which by default has room for 6400 objects: there the backup fails after `lock_timeout` in such a case.
 */
const locksAhead = 2000;
const tablesPerLock = 500;

/** Whether every table is there and locked now. */
async function lockTables(leader: pg.Client, tables: readonly TableFacts[]): Promise<boolean> {
  try {
    for (let at = 0; at < tables.length; at += tablesPerLock) {
      const names = tables.slice(at, at + tablesPerLock).map(table => quoteQualified(table.schema, table.name));
      await leader.query(`lock table ${names.map(name => `only ${name}`).join(', ')} in access share mode`);
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === '42P01' || code === '3F000') return false; // dropped or renamed since
    throw error;
  }
  return true;
}

/** Whether every table is still in the file that the snapshot knows. */
async function areInPlace(leader: pg.Client, tables: readonly TableFacts[]): Promise<boolean> {
  const { rows } = await leader.query<{ n: string }>(
    `select count(*) as n from pg_catalog.pg_class c where c.oid = any ($1::oid[])
        and c.relfilenode <> 0 and pg_catalog.pg_relation_filenode(c.oid) is distinct from c.relfilenode`,
    [tables.map(table => table.oid)],
  );
  return Number(rows[0]!.n) === 0;
}

async function exportSnapshot(leader: pg.Client): Promise<Snapshot> {
  const { rows } = await leader.query<{ name: string; at: Date; snapshot: string }>(
    `select pg_export_snapshot() as name, clock_timestamp() as at, txid_current_snapshot()::text as snapshot`,
  );
  const [xmin, xmax] = rows[0]!.snapshot.split(':');
  return { name: rows[0]!.name, takenAt: rows[0]!.at, xmin: BigInt(xmin!), nextXid: BigInt(xmax!) };
}

async function joinSnapshot(target: PostgresTarget, snapshot: string, signal: AbortSignal): Promise<pg.Client> {
  const client = await connect(target, {
    applicationName: 'production-ops backup worker',
    signal,
    settings: { ...pinnedSettings, lock_timeout: '60s' },
  });
  await client.query(beginSnapshot);
  await client.query(`set transaction snapshot '${snapshot}'`);
  return client;
}

function usableBase(
  base: DatabaseManifest | undefined,
  facts: ServerFacts,
  snapshot: Snapshot,
  log: Log,
): DatabaseManifest | undefined {
  if (!base) return undefined;
  const verdict = canCompare(
    {
      systemIdentifier: base.database.systemIdentifier,
      timeline: base.database.timeline,
      databaseOid: base.database.databaseOid,
      snapshotXmin: BigInt(base.database.snapshotXmin),
    },
    {
      systemIdentifier: facts.systemIdentifier,
      timeline: facts.timeline,
      databaseOid: String(facts.databaseOid),
      snapshotXmin: snapshot.xmin,
      nextXid: snapshot.nextXid,
    },
  );
  if (verdict === true) return base;
  log.info(`Every row is sent: set ${base.id} cannot be built on, ${verdict}`);
  return undefined;
}

/** Copies one part, or finds that a former one still stands; resolves when the rows are read, `stored` when it exists. */
async function copyPart(
  client: pg.Client,
  buffers: CopyBuffers,
  index: number,
  plan: PartPlan,
  work: DumpWork,
): Promise<{ stored: Promise<Part> }> {
  const reused = await findUnchanged(client, plan, work);
  if (reused) return { stored: Promise.resolve(reused) };
  const { options } = work;
  const tables = work.plan.catalog.tables;
  const key = partKey(`rows-${String(index + 1).padStart(5, '0')}.sql`, options);
  const writer = await openPart({ ...options, key, estimatedPlainBytes: plan.estimatedBytes });
  const slices: Slice[] = [];
  await sealing(writer, async () => {
    let offset = 0;
    const text = async (line: string) => {
      const bytes = Buffer.from(line);
      offset += bytes.length;
      await writer.write(bytes);
    };
    await text(partPreamble);
    for (const slice of plan.slices) {
      const table = tables[slice.table]!;
      await text(rowsStart(table));
      const copied = await copyOut(client, copyToStdout(table, slice, work.plan.facts.encoding), {
        buffers,
        onBatch: batch => writer.write(batch),
      });
      slices.push({ ...slice, rows: copied.rows, offset, plainBytes: copied.plainBytes });
      offset += copied.plainBytes;
      await text(rowsEnd);
    }
    await text(partEnd);
  });
  const stored = sealing(writer, async () => {
    const sums = await writer.finish();
    return { key, role: 'rows' as const, isReused: false, slices, ...coding(options), ...sums };
  });
  stored.catch(() => {});
  return { stored };
}

async function findUnchanged(client: pg.Client, plan: PartPlan, work: DumpWork): Promise<Part | undefined> {
  const { base } = work;
  if (!base) return undefined;
  const tables = work.plan.catalog.tables;
  const former = base.parts.find(
    part => part.slices !== undefined && matchingSlices(plan.slices, tables, part.slices, base.database.tables),
  );
  if (!former?.slices) return undefined;
  for (const [i, slice] of plan.slices.entries()) {
    const xmin = BigInt(base.database.snapshotXmin);
    if (!(await isUnchanged(client, tables[slice.table]!, slice, former.slices[i]!, xmin))) return undefined;
  }
  const slices = former.slices.map((slice, i) => ({ ...slice, table: plan.slices[i]!.table }));
  return { ...former, isReused: true, slices };
}

/** Streams what a PostgreSQL tool writes; the part ends only when the tool has exited with 0. */
async function archivePart(kind: ArchiveKind, work: DumpWork): Promise<Part> {
  const { options } = work;
  const start = () =>
    startArchive(kind, {
      tools: work.tools,
      target: options.target,
      snapshot: work.snapshot.name,
      catalog: work.plan.catalog,
      encoding: work.plan.facts.encoding,
      signal: options.signal,
    });
  if (kind === 'roles') {
    const child = start();
    const script = Buffer.concat(await Array.fromAsync(child.stdout as AsyncIterable<Buffer>));
    await child.done;
    return writeWhole('roles', 'roles.sql', creatingRolesOnly(script), work);
  }
  const key = partKey(`${kind}.dump`, options);
  const writer = await openPart({ ...options, key });
  return sealing(writer, async () => {
    const child = start();
    for await (const chunk of child.stdout) await writer.write(chunk as Buffer);
    await child.done;
    return { key, role: kind, isReused: false, ...coding(options), ...(await writer.finish()) };
  });
}

async function writeWhole(role: Part['role'], name: string, content: Buffer, work: DumpWork): Promise<Part> {
  const { options } = work;
  const key = partKey(name, options);
  const writer = await openPart({ ...options, key, estimatedPlainBytes: content.length });
  return sealing(writer, async () => {
    await writer.write(content);
    return { key, role, isReused: false, ...coding(options), ...(await writer.finish()) };
  });
}

async function sealing<T>(writer: PartWriter, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}

function partKey(name: string, options: DumpOptions): string {
  return `${options.partFolder}${name}.zst${options.recipients.length > 0 ? '.age' : ''}`;
}

function coding(options: DumpOptions) {
  return { isCompressed: true, isEncrypted: options.recipients.length > 0 };
}

function describe(
  facts: ServerFacts,
  snapshot: Snapshot,
  catalog: Catalog,
  rowParts: readonly Part[],
  base: DatabaseManifest | undefined,
  options: DumpOptions,
): DatabaseManifest['database'] {
  const rows = new Array<number>(catalog.tables.length).fill(0);
  for (const slice of rowParts.flatMap(part => part.slices ?? [])) rows[slice.table]! += slice.rows;
  if (rows.some(count => !Number.isFinite(count))) {
    throw new OpsError('INTERNAL', 'The server did not say how many rows a COPY had');
  }
  return {
    serverVersion: facts.version,
    major: facts.major,
    systemIdentifier: facts.systemIdentifier,
    timeline: facts.timeline,
    databaseOid: String(facts.databaseOid),
    encoding: facts.encoding,
    localeProvider: facts.localeProvider,
    collate: facts.collate,
    ctype: facts.ctype,
    icuLocale: facts.icuLocale ?? null,
    databaseBytes: facts.databaseSizeBytes,
    snapshotXmin: snapshot.xmin.toString(),
    fingerprintLevel: options.fingerprintLevel,
    fullSetId: base?.database.fullSetId ?? options.setId,
    roles: catalog.roles,
    tablespaces: catalog.tablespaces,
    leftOutForeignKeys: catalog.leftOutForeignKeys,
    tables: catalog.tables.map((table, i) => ({
      schema: table.schema,
      name: table.name,
      copyFrom: table.copyFrom,
      rows: rows[i]!,
      signature: table.signature,
    })),
  };
}

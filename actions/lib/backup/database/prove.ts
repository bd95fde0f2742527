import type pg from 'pg';
import type { AssertionConfig } from '../../config/index.ts';
import type { Progress } from '../../log/index.ts';
import { connect, type PostgresTarget, pgError, quoteQualified, workFailure } from '../../postgres/index.ts';
import type { DatabaseManifest } from '../sets/manifest.ts';
import { pinnedSettings } from './copy-statement.ts';
import {
  compareFingerprint,
  compareInventory,
  compareSequences,
  type Evidence,
  takeInventory,
  takeLargeObjects,
  takeSequences,
} from './evidence.ts';

export interface ProveOptions {
  target: PostgresTarget;
  manifest: DatabaseManifest;
  evidence: Evidence;
  assertions: readonly AssertionConfig[];
  jobs: number;
  progress: Progress;
  signal: AbortSignal;
}

export interface Comparison {
  /** Empty: the restored database is what the snapshot was. */
  findings: string[];
  tablesCompared: number;
  rowsCompared: number;
  /** Tables of which every row was hashed, and those of which a sample was. */
  hashedWhole: number;
  hashedSample: number;
  objectsCompared: number;
  assertions: { name: string; passed: boolean; got: string; expected: string }[];
}

/**
 * Compares a restored database with what was recorded inside the dump's snapshot: rows of every table, content
 * fingerprints, sequences, indexes, constraints, triggers, policies, functions, extensions, large objects, and the
 * assertions of the configuration.
 * @throws OpsError `PG_*`
 */
export async function compareRestored(options: ProveOptions): Promise<Comparison> {
  try {
    return await compare(options);
  } catch (error) {
    throw await workFailure(error, options.target);
  }
}

async function compare(options: ProveOptions): Promise<Comparison> {
  const { manifest, evidence } = options;
  const findings: string[] = [];
  const fingerprints = new Map(evidence.fingerprints.map(f => [quoteQualified(f.schema, f.name), f]));
  const queue = [...manifest.database.tables].sort((a, b) => b.rows - a.rows);
  const task = options.progress.start('comparing tables', queue.length);
  let rowsCompared = 0;
  await inParallel(options, async client => {
    for (let table = queue.shift(); table !== undefined; table = queue.shift()) {
      options.signal.throwIfAborted();
      const name = `${table.schema}.${table.name}`;
      try {
        const { rows } = await client.query<{ n: string }>(
          `select count(*) as n from only ${quoteQualified(table.schema, table.name)}`,
        );
        const found = Number(rows[0]!.n);
        rowsCompared += found;
        if (found !== table.rows) findings.push(`${name} has ${found} rows, the snapshot had ${table.rows}`);
        const fingerprint = fingerprints.get(quoteQualified(table.schema, table.name));
        const difference = fingerprint
          ? await compareFingerprint(client, fingerprint)
          : `${name} has no fingerprint in the set`;
        if (difference) findings.push(difference);
      } catch (error) {
        const failure = pgError(error, options.target);
        if (failure.code !== 'PG_QUERY') throw failure;
        findings.push(`${name} cannot be read: ${failure.message}`);
      }
      task.advance(1);
    }
  });
  task.done();
  const client = await open(options);
  try {
    findings.push(...compareInventory(evidence.inventory, await takeInventory(client, { leftOut: [] })));
    findings.push(...compareSequences(evidence.sequences, await takeSequences(client, { leftOut: [] })));
    findings.push(...(await compareLargeObjects(client, evidence)));
    const assertions = await runAssertions(client, options);
    findings.push(
      ...assertions.filter(a => !a.passed).map(a => `assertion '${a.name}' returned ${a.got}, expected ${a.expected}`),
    );
    return {
      findings: findings.sort(),
      tablesCompared: manifest.database.tables.length,
      rowsCompared,
      hashedWhole: evidence.fingerprints.filter(f => f.fingerprint.kind === 'full').length,
      hashedSample: evidence.fingerprints.filter(f => f.fingerprint.kind === 'sample').length,
      objectsCompared: Object.values(evidence.inventory).reduce(
        (sum, lines) => sum + lines.length,
        evidence.sequences.length,
      ),
      assertions,
    };
  } finally {
    await client.end().catch(() => {});
  }
}

async function compareLargeObjects(client: pg.Client, evidence: Evidence): Promise<string[]> {
  if (evidence.largeObjects.count === 0) return [];
  const found = await takeLargeObjects(client, evidence.level);
  const findings: string[] = [];
  if (found.count !== evidence.largeObjects.count) {
    findings.push(`there are ${found.count} large objects, the snapshot had ${evidence.largeObjects.count}`);
  }
  const differing = Object.entries(evidence.largeObjects.hashes).filter(([oid, hash]) => found.hashes[oid] !== hash);
  if (differing.length > 0)
    findings.push(`${differing.length} large objects are missing or different, e.g. ${differing[0]![0]}`);
  return findings;
}

/** An assertion that cannot be asked has not passed. */
async function runAssertions(client: pg.Client, options: ProveOptions): Promise<Comparison['assertions']> {
  const results: Comparison['assertions'] = [];
  for (const assertion of options.assertions) {
    if (assertion.database !== undefined && assertion.database !== options.manifest.source) continue;
    const expected = String(assertion.expect);
    // Read-only and with a name path as an application has it: these are the user's own words.
    await client.query('begin read only');
    await client.query(`set local search_path = public; set local statement_timeout = '5min'`);
    try {
      const { rows, fields } = await client.query({ text: assertion.sql, rowMode: 'array' });
      const value = rows.length === 1 && fields.length === 1 ? (rows[0] as unknown[])[0] : undefined;
      const got = value === undefined ? `${rows.length} rows of ${fields.length} columns` : String(value);
      results.push({ name: assertion.name, passed: got === expected, got, expected });
    } catch (error) {
      results.push({ name: assertion.name, passed: false, got: `an error (${(error as Error).message})`, expected });
    }
    await client.query('rollback');
  }
  return results;
}

async function inParallel(options: ProveOptions, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const lane = async () => {
    const client = await open(options);
    try {
      await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, lane));
}

function open(options: ProveOptions): Promise<pg.Client> {
  return connect(options.target, {
    applicationName: 'production-ops drill',
    signal: options.signal,
    // Nobody else is on a throw-away server: let one big table use all cores.
    settings: { ...pinnedSettings, max_parallel_workers_per_gather: '2' },
  });
}

import type { OpsContext } from '../context/index.ts';
import { OpsError, toOpsError } from '../errors/index.ts';
import { connect, pgError, quoteIdent, quoteLiteral, startThrowawayServer, withDatabase } from '../postgres/index.ts';
import type { Storage } from '../storage/index.ts';
import { type Evidence, evidenceSchema } from './database/evidence.ts';
import { type Comparison, compareRestored } from './database/prove.ts';
import { type RestoreResult, restoreDatabase } from './database/restore.ts';
import { proveFiles } from './files/prove-files.ts';
import { readPartWhole } from './parts/part-reader.ts';
import type { DatabaseManifest, Manifest } from './sets/manifest.ts';
import { writeProof } from './sets/set-store.ts';
import { identitiesOf, judge, type ProofResult } from './verdict.ts';

/**
 * Restores a set where nobody sees it, compares it with the evidence of its snapshot, and records the verdict beside it.
 * Never throws for what it finds; throws only `CANCELLED` and what stops it from recording.
 */
export async function proveSet(context: OpsContext, storage: Storage, manifest: Manifest): Promise<ProofResult> {
  const result =
    manifest.kind === 'database'
      ? await proveDatabase(context, storage, manifest)
      : await proveFiles(context, storage, manifest);
  await writeProof(storage, manifest, {
    schema: 'production-ops/proof/1',
    verdict: result.verdict,
    at: context.now().toISOString(),
    reportId: context.reportId,
    findings: result.findings.slice(0, 50),
  });
  return result;
}

async function proveDatabase(context: OpsContext, storage: Storage, manifest: DatabaseManifest): Promise<ProofResult> {
  const startedAt = performance.now();
  const timings = { serverSeconds: 0, restoreSeconds: 0, compareSeconds: 0, totalSeconds: 0 };
  const notes: string[] = [];
  let restore: RestoreResult | null = null;
  let comparison: Comparison | null = null;
  let failure: OpsError | undefined;
  try {
    const identities = identitiesOf(context);
    const evidence = await readEvidence(context, storage, manifest, identities);
    await using server = await startThrowawayServer({
      major: manifest.database.major,
      purpose: `the drill of ${manifest.source}`,
      settings: { max_connections: Math.max(20, context.config.backup.jobs * 3 + 10), maintenance_work_mem: '256MB' },
      sharedBuffersMb: 256,
      signal: context.signal,
      log: context.log,
    });
    notes.push(...server.notes);
    const target = withDatabase(server.target, manifest.source === 'postgres' ? 'postgres_restored' : manifest.source);
    notes.push(...(await createDatabase(context, server.target, target.database, manifest)));
    timings.serverSeconds = seconds(startedAt);
    const restoreAt = performance.now();
    restore = await restoreDatabase({
      storage,
      manifest,
      target,
      identities,
      jobs: context.config.backup.jobs,
      tables: [],
      force: false,
      withRoles: true,
      noOwner: false,
      log: context.log,
      progress: context.progress,
      signal: context.signal,
    });
    timings.restoreSeconds = seconds(restoreAt);
    const compareAt = performance.now();
    comparison = await compareRestored({
      target,
      manifest,
      evidence,
      assertions: context.config.drill.assertions,
      jobs: context.config.backup.jobs,
      progress: context.progress,
      signal: context.signal,
    });
    timings.compareSeconds = seconds(compareAt);
  } catch (error) {
    context.signal.throwIfAborted();
    failure = toOpsError(error);
  }
  timings.totalSeconds = seconds(startedAt);
  return { ...judge(failure, comparison?.findings ?? []), comparison, restore, timings, notes };
}

async function readEvidence(
  context: OpsContext,
  storage: Storage,
  manifest: DatabaseManifest,
  identities: string[],
): Promise<Evidence> {
  const part = manifest.parts.find(p => p.role === 'evidence');
  if (!part) throw new OpsError('SET_DAMAGED', `Set ${manifest.id} has no part with its evidence`);
  const text = await readPartWhole(storage, part, { identities, signal: context.signal });
  return evidenceSchema.parse(JSON.parse(text.toString('utf8')));
}

/** With the encoding and locale of the source; a locale this machine lacks is replaced, and said. */
async function createDatabase(
  context: OpsContext,
  server: Parameters<typeof connect>[0],
  name: string,
  manifest: DatabaseManifest,
): Promise<string[]> {
  const { database } = manifest;
  const client = await connect(server, { applicationName: 'production-ops drill', signal: context.signal });
  const create = (locale: string) =>
    client.query(
      `create database ${quoteIdent(name)} template template0 encoding ${quoteLiteral(database.encoding)} ${locale}`,
    );
  const asked =
    database.localeProvider !== 'libc' && database.icuLocale
      ? `locale_provider ${database.localeProvider} ${database.localeProvider}_locale ${quoteLiteral(database.icuLocale)} lc_collate ${quoteLiteral(database.collate)} lc_ctype ${quoteLiteral(database.ctype)}`
      : `lc_collate ${quoteLiteral(database.collate)} lc_ctype ${quoteLiteral(database.ctype)}`;
  try {
    await create(asked);
    return [];
  } catch {
    try {
      await create(`lc_collate 'C' lc_ctype 'C'`);
      return [`locale ${database.collate} is not on this machine: the drill used C`];
    } catch (error) {
      throw pgError(error, server);
    }
  } finally {
    await client.end().catch(() => {});
  }
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

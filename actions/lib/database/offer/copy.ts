import { restoreLocatedCopy } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { type PostgresTarget, parsePostgresUrl } from '../../postgres/index.ts';
import { giveToProver } from '../prove/index.ts';
import { type DatabaseSession, openSession } from '../session/index.ts';

/** Where the proof takes place. */
export interface ProvingGround extends AsyncDisposable {
  target: PostgresTarget;
  /** May create extensions. */
  admin: PostgresTarget;
  origin:
    | { kind: 'restored'; setId: string; snapshotAt: string; storage: string; verdict: string | null }
    | { kind: 'given'; display: string };
  notes: string[];
}

/**
 * The database of `--on`, or the newest backup restored into a server of its own, where statements run as a role without
 * rights beyond that database.
 * @throws OpsError `ADVISE_ON_PRODUCTION` (exit 2); those of the restore: `CONFIG_MISSING_VALUE`, `SET_*`, `AGE_*`, `PG_*` …
 */
export async function openProvingGround(
  context: OpsContext,
  production: DatabaseSession,
  wanted: { on: string | undefined; set: string; source: string | undefined },
): Promise<ProvingGround> {
  if (wanted.on !== undefined) {
    const target = parsePostgresUrl(wanted.on);
    await assertIsNotProduction(context, production, target);
    return {
      target,
      admin: target,
      origin: { kind: 'given', display: target.display },
      notes: [],
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const copy = await restoreLocatedCopy(
    context,
    { id: wanted.set, source: wanted.source, from: undefined },
    { purpose: 'the index proof', settings: { autovacuum: false, track_io_timing: true } },
  );
  try {
    return {
      target: await giveToProver(copy.target, context.signal),
      admin: copy.target,
      origin: {
        kind: 'restored',
        setId: copy.manifest.id,
        snapshotAt: copy.manifest.snapshotAt,
        storage: copy.storageName,
        verdict: copy.verdict,
      },
      notes: copy.notes,
      [Symbol.asyncDispose]: () => copy[Symbol.asyncDispose](),
    };
  } catch (thrown) {
    await copy[Symbol.asyncDispose]();
    throw thrown;
  }
}

/**
 * Two URLs of one server look different (a pooler, an alias, another role): the same start, to the microsecond, and the
 * same database are the same place.
 */
async function assertIsNotProduction(
  context: OpsContext,
  production: DatabaseSession,
  target: PostgresTarget,
): Promise<void> {
  await using copy = await openSession(target, { signal: context.signal });
  const place = async (session: DatabaseSession) => {
    const [row] = await session.rows<{ place: string }>(
      `select pg_catalog.pg_postmaster_start_time()::text || ' ' || (select oid from pg_catalog.pg_database where datname = current_database())::text as place`,
    );
    return row!.place;
  };
  if ((await place(copy)) === (await place(production))) {
    throw new OpsError('ADVISE_ON_PRODUCTION', `--on names the database that is advised on: ${target.display}`, {
      hint: 'Indexes are built and the workload is run there: name a copy, or leave --on out to restore the newest backup.',
      exit: 'usage',
    });
  }
}

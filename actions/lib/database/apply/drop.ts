import { readIndexUsage, usageKey } from '../removal/index.ts';
import { openSession } from '../session/index.ts';
import { tryChange } from './attempts.ts';
import { type ApplyContext, dropSql, endRecord, planned } from './build.ts';
import { type IndexFacts, readIndex, readTable } from './catalog.ts';
import type { ExistingIndex } from './change.ts';
import { runConcurrently } from './concurrent.ts';
import { Deferred, Refused, type StepResult } from './outcome.ts';
import { concurrently, refuseDrop } from './plan.ts';
import { waitForRoom } from './room.ts';

/** Drops an index after a second look at everything that may have changed since the advice. */
export async function dropIndex(context: ApplyContext, advised: ExistingIndex): Promise<StepResult> {
  const { sessions, ledger } = context;
  const { schema, name } = advised;
  const statements: string[] = [];
  return tryChange(context, {
    label: name,
    statements,
    async once() {
      const found = await readIndex(sessions.control(), schema, name);
      if (!found) {
        await endRecord(ledger, schema, name);
        return { status: 'nothing to do', message: 'it is gone already', statements, attempts: 0, sizeBytes: null };
      }
      const { coveredBy } = advised;
      const covering = coveredBy ? await readIndex(sessions.control(), coveredBy.schema, coveredBy.name) : undefined;
      const table = await readTable(sessions.control(), schema, found.table);
      const scans = advised.scans === null ? found.scans : await scansEverywhere(context, found);
      const because = refuseDrop({ ...found, scans }, advised, covering, table?.isOwner ?? false);
      if (because) throw new Refused(because);
      const sql = dropSql(advised);
      if (context.isDryRun) return planned([sql]);
      await waitForRoom(
        context,
        {
          tableOid: found.tableOid,
          tableName: `${schema}.${found.table}`,
          neededBytes: 0,
          counts: obstacle => obstacle.kind !== 'old snapshot',
        },
        context.notGuarded,
      );
      if (ledger.isKept) {
        await ledger.begin({ schema, name, table: found.table, operation: 'drop', reportId: context.reportId });
      }
      statements.push(sql);
      await runConcurrently(context, sql, `dropping ${name}`);
      await endRecord(ledger, schema, name);
      return {
        status: 'done',
        message: 'dropped',
        statements,
        attempts: 1,
        sizeBytes: null,
        sizeBeforeBytes: found.bytes,
        rollback: [`${concurrently(found.definition)};`],
      };
    },
    /** A drop that was cut off has made the index invalid already, or has not begun. */
    async clearUp() {
      const found = await readIndex(sessions.control(), schema, name);
      if (found?.isBroken) return `${name} is half dropped: it is not used any more, and the next run drops the rest`;
      await endRecord(ledger, schema, name);
      return undefined;
    },
  });
}

/** On all servers together, as the advice counted them: what only a replica reads is unused to the primary. @throws Deferred */
async function scansEverywhere(context: ApplyContext, { schema, name, scans }: IndexFacts): Promise<number> {
  const { sessions, secrets, signal } = context;
  if (!secrets.databaseReplicaUrls?.length) return scans;
  await using session = await openSession(sessions.target, { signal });
  const usage = await readIndexUsage(session, context);
  if (usage.replicas === 'not all asked') throw new Deferred(usage.notes.join('; '));
  return usage.scans.get(usageKey(schema, name)) ?? scans;
}

import { tryChange } from './attempts.ts';
import { type ApplyContext, dropSql, endRecord, planned } from './build.ts';
import { readIndex, readTable } from './catalog.ts';
import type { ExistingIndex } from './change.ts';
import { runConcurrently } from './concurrent.ts';
import { Refused, type StepResult } from './outcome.ts';
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
      const because = refuseDrop(found, advised, covering, table?.isOwner ?? false);
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

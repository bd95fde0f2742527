import { formatBytes } from '../../log/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import { tryChange } from './attempts.ts';
import { type ApplyContext, dropBroken, endRecord, planned } from './build.ts';
import { type IndexFacts, readIndex, readIndexes, readTable } from './catalog.ts';
import type { ExistingIndex } from './change.ts';
import { runConcurrently } from './concurrent.ts';
import { Refused, type StepResult } from './outcome.ts';
import { refuseSize, refuseVersion } from './plan.ts';
import { waitForRoom } from './room.ts';

/** Builds an index anew beside itself, and puts the new one in its place. */
export async function reindex(
  context: ApplyContext,
  advised: Pick<ExistingIndex, 'schema' | 'name'>,
): Promise<StepResult> {
  const { sessions, ledger, options } = context;
  const { schema, name } = advised;
  const statements: string[] = [];
  /** The copies that were there before we began belong to somebody else. */
  let foreign = new Set<string>();
  return tryChange(context, {
    label: name,
    statements,
    async once() {
      const client = sessions.control();
      const found = await readIndex(client, schema, name);
      if (!found) throw new Refused('there is no such index any more');
      const table = await readTable(client, found.schema, found.table);
      const because =
        refuseVersion(sessions.versionNum) ??
        (found.relkind === 'I' && sessions.versionNum < 140_000
          ? 'PostgreSQL 13 rebuilds the index of a partitioned table only partition by partition'
          : undefined) ??
        (table?.isOwner || table?.mayMaintain
          ? undefined
          : `only the owner of ${schema}.${found.table} may rebuild ${name}`) ??
        refuseSize(found.bytes, options.maxIndexBytes);
      if (because) throw new Refused(because);
      const sql = `REINDEX INDEX CONCURRENTLY ${quoteQualified(schema, name)}`;
      if (context.isDryRun) return planned([sql]);
      await waitForRoom(
        context,
        {
          tableOid: found.tableOid,
          tableName: `${schema}.${found.table}`,
          neededBytes: found.bytes,
          counts: () => true,
        },
        context.notGuarded,
      );
      foreign = new Set((await copiesOf(context, found)).map(copy => copy.oid));
      if (ledger.isKept) {
        await ledger.begin({ schema, name, table: found.table, operation: 'reindex', reportId: context.reportId });
      }
      statements.push(sql);
      await runConcurrently(context, sql, `rebuilding ${name}`);
      const after = await readIndex(sessions.control(), schema, name);
      if (!after || after.isBroken) throw new Error(`${name} was rebuilt, and ${after ? 'is not valid' : 'is gone'}`);
      await endRecord(ledger, schema, name);
      return {
        status: 'done',
        message: `rebuilt: ${formatBytes(found.bytes)} before, ${formatBytes(after.bytes)} now`,
        statements,
        attempts: 1,
        sizeBytes: after.bytes,
        sizeBeforeBytes: found.bytes,
        rollback: [],
      };
    },
    async clearUp(quick) {
      const found = await readIndex(sessions.control(), schema, name);
      if (found) {
        for (const copy of await copiesOf(context, found)) {
          if (!foreign.has(copy.oid)) await dropBroken(context, copy, statements, quick);
        }
      }
      await endRecord(ledger, schema, name);
      return undefined;
    },
  });
}

/**
 * What REINDEX CONCURRENTLY leaves when it is cut off: `_ccnew`, the new one that is not done, or `_ccold`, the old one
 * that was to go; a number behind it when the name was taken, and the name cut when it was too long.
 */
export async function copiesOf(
  context: ApplyContext,
  index: Pick<IndexFacts, 'name' | 'tableOid'>,
): Promise<IndexFacts[]> {
  const all = await readIndexes(context.sessions.control(), index.tableOid);
  return all.filter(other => other.isBroken && isCopyName(other.name, index.name));
}

export function isCopyName(name: string, of: string): boolean {
  const base = /^(.*)_cc(?:new|old)\d*$/s.exec(name)?.[1];
  return base !== undefined && (base === of || (of.startsWith(base) && Buffer.byteLength(name) >= 60));
}

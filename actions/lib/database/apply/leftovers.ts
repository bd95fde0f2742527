import type pg from 'pg';
import { z } from 'zod';
import { toOpsError } from '../../errors/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import { type ApplyContext, dropBroken, endRecord } from './build.ts';
import { type IndexFacts, isInWork, readBrokenIndexes, readIndex, readTable, relationsInWork } from './catalog.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { isCopyName } from './reindex.ts';

export const leftoverSchema = z.strictObject({
  schema: z.string(),
  index: z.string(),
  table: z.string(),
  origin: z
    .enum(['ours', 'named like ours', 'not ours', 'in work'])
    .describe('ours: recorded before it began. In work: another session builds, rebuilds or drops it'),
  isPartitioned: z.boolean(),
  sizeBytes: z.number(),
  message: z.string(),
  /** What mends it; for what is not ours a person decides. */
  statement: z.string(),
});
export type Leftover = z.infer<typeof leftoverSchema>;

/**
 * Every index of the database that is half made or half dropped. It costs every write and answers no query, and a
 * `CREATE INDEX IF NOT EXISTS` takes it for done.
 */
export async function findLeftovers(
  client: pg.Client,
  ledger: Ledger,
  ownPids: readonly number[],
): Promise<Leftover[]> {
  const entries = ledger.isKept ? await ledger.entries() : [];
  const inWork = await relationsInWork(client, ownPids);
  return (await readBrokenIndexes(client)).map(index => describe(index, entries, isInWork(index, inWork)));
}

function describe(index: IndexFacts, entries: readonly LedgerEntry[], isWorkedOn: boolean): Leftover {
  const isRecorded = entries.some(entry => belongsTo(index, entry));
  const isPartitioned = index.relkind === 'I';
  const origin = isWorkedOn
    ? 'in work'
    : isRecorded
      ? 'ours'
      : /_idx_[0-9a-f]{8}$/.test(index.name)
        ? 'named like ours'
        : 'not ours';
  const drop = `DROP INDEX ${isPartitioned ? '' : 'CONCURRENTLY '}${quoteQualified(index.schema, index.name)};`;
  const what = isPartitioned
    ? 'not every partition has its own yet'
    : index.isReady
      ? 'its build or its drop was cut off; writes pay for it and no query uses it'
      : 'its build was cut off at the beginning';
  return {
    schema: index.schema,
    index: index.name,
    table: index.table,
    origin,
    isPartitioned,
    sizeBytes: index.bytes,
    message: isWorkedOn ? 'being built, rebuilt or dropped right now' : what,
    statement: drop,
  };
}

/** The index of the record, or the copy that a rebuild of it has left. */
function belongsTo(index: Pick<IndexFacts, 'schema' | 'name'>, entry: LedgerEntry): boolean {
  if (index.schema !== entry.schema) return false;
  return index.name === entry.name || (entry.operation === 'reindex' && isCopyName(index.name, entry.name));
}

export const mendedSchema = z.strictObject({
  schema: z.string(),
  index: z.string(),
  operation: z.enum(['create', 'drop', 'reindex']),
  startedAt: z.iso.datetime(),
  /** The run that had begun it. */
  reportId: z.string(),
  status: z.enum(['mended', 'was done', 'to be continued', 'left']),
  message: z.string(),
});
export type Mended = z.infer<typeof mendedSchema>;

/**
 * Puts right what an earlier run had begun and not ended: a build or rebuild that was cut off is dropped, a drop is
 * finished. Only what is recorded; and the lock of this run says that the earlier one is over.
 */
export async function mendRecorded(context: ApplyContext): Promise<Mended[]> {
  const { ledger } = context;
  if (!ledger.isKept) return [];
  const mended: Mended[] = [];
  for (const entry of await ledger.entries()) {
    context.signal.throwIfAborted();
    const { schema, name: index, operation, reportId } = entry;
    const done = await mend(context, entry).catch(thrown => ({
      status: 'left' as const,
      message: `could not be mended: ${toOpsError(thrown).message}`,
    }));
    mended.push({ schema, index, operation, startedAt: entry.startedAt.toISOString(), reportId, ...done });
  }
  return mended;
}

async function mend(context: ApplyContext, entry: LedgerEntry): Promise<Pick<Mended, 'status' | 'message'>> {
  const client = context.sessions.control();
  const { schema, name } = entry;
  const found = await readIndex(client, schema, name);
  const inWork = await relationsInWork(client, [context.sessions.workPid()]);
  const tableOid = found?.tableOid ?? (await readTable(client, schema, entry.table))?.oid;
  if ((tableOid !== undefined && inWork.has(tableOid)) || (found && inWork.has(found.oid))) {
    return { status: 'left', message: 'another session works on the table; the next run looks again' };
  }
  switch (entry.operation) {
    case 'create':
      if (found?.isBroken && found.relkind === 'I') {
        return {
          status: 'to be continued',
          message: 'some partitions have their index: choose the same change again, and it goes on',
        };
      }
      if (found?.isBroken) {
        await dropBroken(context, found, [], false);
        return {
          status: 'mended',
          message: 'the half-made index was dropped; choose the same change again to have it',
        };
      }
      await endRecord(context.ledger, schema, name);
      return {
        status: 'was done',
        message: found ? 'it had been built all the same, and is valid' : 'nothing had been made',
      };
    case 'drop':
      if (found?.isBroken) {
        await dropBroken(context, found, [], false);
        return { status: 'mended', message: 'it was half dropped; now it is gone' };
      }
      await endRecord(context.ledger, schema, name);
      return { status: 'was done', message: found ? 'the drop had not begun' : 'it had been dropped all the same' };
    case 'reindex': {
      const copies = (await readBrokenIndexes(client)).filter(
        index => index.tableOid === tableOid && index.name !== name && belongsTo(index, entry),
      );
      for (const copy of copies) await dropBroken(context, copy, [], false);
      await endRecord(context.ledger, schema, name);
      return copies.length > 0
        ? {
            status: 'mended',
            message: `${copies.map(copy => copy.name).join(' and ')}, left by a rebuild, was dropped`,
          }
        : { status: 'was done', message: 'the rebuild had left nothing' };
    }
  }
}

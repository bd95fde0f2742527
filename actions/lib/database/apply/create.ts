import { quoteIdent } from '../../postgres/index.ts';
import { tryChange } from './attempts.ts';
import { type ApplyContext, type CreateOrder, createPlain, dropBroken, endRecord, prepare } from './build.ts';
import { readIndex } from './catalog.ts';
import type { StepResult } from './outcome.ts';
import { createPartitioned } from './partitioned.ts';

/** Makes an index, and a second look at it before it says so. */
export async function createIndex(context: ApplyContext, order: CreateOrder): Promise<StepResult> {
  const statements: string[] = [];
  const { definition, name } = order;
  return tryChange(context, {
    label: name,
    statements,
    async once() {
      const found = await prepare(context, order);
      if (found.table.relkind === 'p') return createPartitioned(context, order, found, statements);
      return createPlain(context, order, found, statements);
    },
    clearUp: quick => clearUpBuild(context, definition.schema, name, quick),
  });
}

/** After a build that failed: what it left is invalid, ours, and dropped. */
async function clearUpBuild(
  context: ApplyContext,
  schema: string,
  name: string,
  quick: boolean,
): Promise<string | undefined> {
  const found = await readIndex(context.sessions.control(), schema, name);
  if (!found) {
    await endRecord(context.ledger, schema, name);
    return undefined;
  }
  // Of a partitioned table: the next run goes on where this one ended.
  if (!found.isBroken || found.relkind === 'I') return undefined;
  if (!(await isOurs(context, schema, name))) return undefined;
  try {
    await dropBroken(context, found, [], quick);
    return undefined;
  } catch (thrown) {
    return `the invalid index ${quoteIdent(name)} is left (${(thrown as Error).message}); the next run drops it`;
  }
}

/** This run has begun it: where a record is kept, by the record. */
async function isOurs({ ledger }: ApplyContext, schema: string, name: string): Promise<boolean> {
  if (!ledger.isKept) return true;
  return (await ledger.entries()).some(entry => entry.schema === schema && entry.name === name);
}

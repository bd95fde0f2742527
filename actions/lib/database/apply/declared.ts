import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { PostgresTarget } from '../../postgres/index.ts';
import { type Drift, readDrift } from '../declared/index.ts';
import { openSession } from '../session/index.ts';
import { changeId, type OfferedChange, reindexChange } from './change.ts';

/**
 * What brings the database to `database.indexes`: builds what is missing, rebuilds what is invalid. What is there under a
 * declared name and is another index is refused when its turn comes, and what is not declared is left alone: nothing is
 * dropped because of a line in a file.
 * @throws OpsError `CONFIG_MISSING_VALUE` (exit 2) when nothing is declared; those of `openSession`
 */
export async function declaredChanges(context: OpsContext, target: PostgresTarget): Promise<OfferedChange[]> {
  await using session = await openSession(target, { signal: context.signal });
  const drift = await readDrift(session, { ...context.config.database, indexesStrict: false });
  if (drift) return drift.map(changeOf);
  throw new OpsError('CONFIG_MISSING_VALUE', 'No index is declared', {
    hint: 'Declare database.indexes in .github/ops.yml: { table: orders, columns: [user_id], why: the orders of a customer }.',
    exit: 'usage',
  });
}

function changeOf({ kind, schema, table, name, sql, declared }: Drift): OfferedChange {
  if (kind === 'invalid' || !declared) return reindexChange({ schema, name, table });
  const { definition, prerequisites } = declared;
  return {
    kind: 'create',
    id: changeId({ kind: 'create', definition, name }),
    definition,
    name,
    sizeBytes: null,
    buildSeconds: null,
    prerequisites: [...prerequisites],
    expectedUsers: [],
    sql: sql.length > 0 ? sql : ['CREATE INDEX'],
    rollback: [],
  };
}

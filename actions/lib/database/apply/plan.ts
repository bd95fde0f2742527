import { formatBytes } from '../../log/index.ts';
import { quoteIdent } from '../../postgres/index.ts';
import type { IndexFacts, TableFacts } from './catalog.ts';
import type { ExistingIndex } from './change.ts';

/** What is to be done about one index; decided from what the catalog says, before anything is begun. */
export type CreatePlan =
  | { kind: 'nothing'; because: string; existing: IndexFacts }
  | { kind: 'refuse'; because: string }
  | { kind: 'defer'; because: string }
  | { kind: 'build' }
  /** Ours, of a build that was cut off. */
  | { kind: 'drop leftover and build'; leftover: IndexFacts };

export interface CreateFacts {
  name: string;
  /** What the definition comes to on this server: see `signatureOf`. */
  signature: string;
  table: TableFacts;
  /** Of that table. */
  indexes: readonly IndexFacts[];
  /** pg_class.relkind of whatever has the name in the schema. */
  nameIsTakenBy: string | undefined;
  /** Somebody else builds, rebuilds or drops the index of that name. */
  isInWork: boolean;
}

export function planCreate(facts: CreateFacts): CreatePlan {
  const { name, signature, table, indexes } = facts;
  const same = indexes.find(index => index.signature === signature && !index.isBroken);
  if (same) {
    return { kind: 'nothing', because: `the same index is there already as ${same.name}`, existing: same };
  }
  const namesake = indexes.find(index => index.name === name && index.schema === table.schema);
  if (namesake) {
    if (namesake.signature !== signature) {
      return { kind: 'refuse', because: `an index ${name} with another definition is there: ${namesake.definition}` };
    }
    // Invalid, of this very definition, under the name that holds its hash: a build of ours that was cut off, or one
    // that is still going on.
    if (facts.isInWork) return { kind: 'defer', because: `${name} is being built or dropped by another session` };
    return { kind: 'drop leftover and build', leftover: namesake };
  }
  if (facts.nameIsTakenBy !== undefined) {
    return {
      kind: 'refuse',
      because: `the name ${name} is taken by ${nameOfKind(facts.nameIsTakenBy)} in the schema ${table.schema}`,
    };
  }
  return { kind: 'build' };
}

/** Why no index can be made on this table by this role; undefined when one can. */
export function refuseTable(
  table: TableFacts | undefined,
  schema: string,
  name: string,
  user: string,
): string | undefined {
  if (!table) return `there is no table ${schema}.${name}: it was dropped or renamed since the advice`;
  if (!['r', 'p', 'm'].includes(table.relkind))
    return `${schema}.${name} is ${nameOfKind(table.relkind)}, which has no indexes`;
  if (!table.isOwner) {
    return `only the owner of ${schema}.${name} may change its indexes: GRANT the owner's role TO ${quoteIdent(user)}`;
  }
  if (!table.mayCreateInSchema)
    return `the role may not create in the schema: GRANT CREATE ON SCHEMA ${quoteIdent(schema)} TO ${quoteIdent(user)}`;
  return undefined;
}

/** Why an index must not be dropped, whatever the advice said; undefined when it may. */
export function refuseDrop(
  found: IndexFacts,
  advised: ExistingIndex,
  covering: IndexFacts | undefined,
  mayDrop: boolean,
): string | undefined {
  if (!mayDrop) return `only the owner of ${found.schema}.${found.table} may drop ${found.name}`;
  if (found.definition !== advised.definition)
    return `it is another index than the advice looked at: ${found.definition}`;
  if (found.neededBy) return `it is needed by ${found.neededBy}`;
  if (found.isUnique) return 'it is unique: it keeps a rule, whether or not anybody searches with it';
  if (found.relkind === 'I' || found.isAttached) {
    return 'it belongs to an index of a partitioned table, which cannot be dropped without a full lock';
  }
  if (advised.scans !== null && !found.isBroken && found.scans > advised.scans) {
    return `it has been used ${found.scans - advised.scans} times that the advice did not count`;
  }
  if (advised.coveredBy && (!covering || covering.isBroken || covering.tableOid !== found.tableOid)) {
    return `${advised.coveredBy.name}, which was to take its place, is not there or not valid`;
  }
  return undefined;
}

/** https://www.postgresql.org/docs/release/14.4/: CONCURRENTLY could leave rows out of an index. */
export function refuseVersion(versionNum: number): string | undefined {
  if (versionNum < 140_000 || versionNum >= 140_004) return undefined;
  return 'PostgreSQL 14.0 to 14.3 can leave rows out of an index that is built CONCURRENTLY: update to 14.4 or later';
}

/** About how large it will be: as measured on the copy, else at most the table itself. */
export function expectedBytes(sizeBytes: number | null, table: TableFacts): number {
  return sizeBytes ?? table.bytes;
}

export function refuseSize(bytes: number, limit: number): string | undefined {
  if (bytes <= limit) return undefined;
  return `it would take about ${formatBytes(bytes)}, more than database.apply.maxIndexBytes allows (${formatBytes(limit)})`;
}

/** `CREATE INDEX x ON …` as pg_get_indexdef prints it, to be run without keeping anybody from writing. */
export function concurrently(definition: string): string {
  return definition.replace(/^(CREATE (?:UNIQUE )?INDEX )(?!CONCURRENTLY )/, '$1CONCURRENTLY ');
}

function nameOfKind(relkind: string): string {
  const names: Record<string, string> = {
    r: 'a table',
    p: 'a partitioned table',
    i: 'an index of another table',
    I: 'an index of another, partitioned table',
    S: 'a sequence',
    v: 'a view',
    m: 'a materialized view',
    f: 'a foreign table',
    c: 'a type',
    t: 'a TOAST table',
  };
  return names[relkind] ?? 'something else';
}

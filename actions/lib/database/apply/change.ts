import { createHash } from 'node:crypto';
import { z } from 'zod';
import { definitionSql, type IndexDefinition, indexName } from '../indexes/index.ts';

/**
 * What an advice offers, and the only thing that can be applied. The report that holds it is read back from the
 * repository, so it is a border: nothing in it is run as it stands but expressions, predicates and operator classes,
 * which are part of a definition. `sql` is for people; what runs is made from `definition` and `index`.
 */

const name = z.string().min(1).max(63);

const key = z.union([
  z.strictObject({
    kind: z.literal('column'),
    column: name,
    opclass: z.string().optional(),
    isDescending: z.boolean().optional(),
    isNullsFirst: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal('expression'),
    expression: z.string().min(1),
    opclass: z.string().optional(),
    isDescending: z.boolean().optional(),
    isNullsFirst: z.boolean().optional(),
  }),
]);

/** `IndexDefinition`, as it stands in a report. */
export const indexDefinitionSchema = z.strictObject({
  schema: name,
  table: name,
  method: z.enum(['btree', 'gin', 'gist', 'brin']),
  keys: z.array(key).min(1).readonly(),
  include: z.array(name).readonly(),
  where: z.string().min(1).optional(),
  isUnique: z.boolean().optional(),
}) satisfies z.ZodType<IndexDefinition>;

/** An index that is there, and what it was when the advice looked at it. */
export const existingIndexSchema = z.strictObject({
  schema: name,
  name,
  table: name,
  /** As `pg_get_indexdef` prints it: when it has changed since, nothing is dropped. */
  definition: z.string().min(1),
  /** `idx_scan` then: an index that was unused and has been used since is not dropped. Null: it does not matter. */
  scans: z.int().min(0).nullable(),
  /** The index that makes it redundant: it must still be there, and valid. */
  coveredBy: z.strictObject({ schema: name, name }).nullable(),
});
export type ExistingIndex = z.infer<typeof existingIndexSchema>;

/** A statement of which the advice says that it will use the index; asked again after the build. */
export const expectedUserSchema = z.strictObject({
  fingerprint: z.string(),
  text: z.string().min(1),
  /** For `$1`, `$2` …; absent: the generic plan is looked at. */
  parameters: z.array(z.string().nullable()).optional(),
});
export type ExpectedUser = z.infer<typeof expectedUserSchema>;

const common = {
  /** `changeId` of this change: the same change has the same id in every report. */
  id: z.string().regex(/^(create|drop|reindex|merge)-[0-9a-f]{12}$/),
  /** The statements, in order, as a person would run them. */
  sql: z.array(z.string()).min(1),
  /** What undoes it, in order. */
  rollback: z.array(z.string()),
};

const build = {
  definition: indexDefinitionSchema,
  /** Of the index; absent: `indexName(definition)`. */
  name: name.optional(),
  /** Measured on the copy, or estimated; null when nobody knows. */
  sizeBytes: z.int().min(0).nullable(),
  buildSeconds: z.number().min(0).nullable(),
  /** SQL that a person must have run before, such as `CREATE EXTENSION IF NOT EXISTS pg_trgm`. Never run from here. */
  prerequisites: z.array(z.string()).optional(),
  expectedUsers: z.array(expectedUserSchema),
};

export const offeredChangeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('create'), ...common, ...build }),
  /** One index in place of several: created first, and only when it is valid are the others dropped. */
  z.strictObject({ kind: z.literal('merge'), ...common, ...build, replaces: z.array(existingIndexSchema).min(1) }),
  z.strictObject({ kind: z.literal('drop'), ...common, index: existingIndexSchema }),
  z.strictObject({ kind: z.literal('reindex'), ...common, index: existingIndexSchema }),
]);
export type OfferedChange = z.infer<typeof offeredChangeSchema>;

/** Of `report.data` of an advice, what can be applied. The rest of the report is of no interest here. */
export const adviceSchema = z.looseObject({ changes: z.array(offeredChangeSchema) });

/**
 * Made from what the change does and from nothing else: who chose an id has chosen this definition, whatever report it
 * is read from later.
 */
export function changeId(
  change:
    | { kind: 'create'; definition: IndexDefinition; name?: string | undefined }
    | { kind: 'merge'; definition: IndexDefinition; replaces: readonly Pick<ExistingIndex, 'schema' | 'name'>[] }
    | { kind: 'drop' | 'reindex'; index: Pick<ExistingIndex, 'schema' | 'name' | 'definition'> },
): string {
  const what =
    'index' in change
      ? [change.index.schema, change.index.name, change.index.definition]
      : [
          definitionSql(change.definition),
          Boolean(change.definition.isUnique),
          ...('name' in change && change.name !== undefined ? [change.name] : []),
          ...('replaces' in change ? change.replaces.map(({ schema, name }) => [schema, name]) : []),
        ];
  const hash = createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 12);
  return `${change.kind}-${hash}`;
}

/** A rebuild that no advice offers: whatever the index is by now, it is built again as it is. */
export function reindexChange(of: Pick<ExistingIndex, 'schema' | 'name' | 'table'>): OfferedChange {
  const index = { ...of, definition: '?', scans: null, coveredBy: null };
  return { kind: 'reindex', id: changeId({ kind: 'reindex', index }), index, sql: ['REINDEX'], rollback: [] };
}

/** What the index of a change is called, and its table with the schema. */
export function namesOf(change: OfferedChange): { table: string; index: string } {
  if (!('definition' in change))
    return { table: `${change.index.schema}.${change.index.table}`, index: change.index.name };
  const { definition, name = indexName(definition) } = change;
  return { table: `${definition.schema}.${definition.table}`, index: name };
}

import type pg from 'pg';
import { isEnforced } from '../session/index.ts';

/** What the deletion of a row does to rows that refer to it. */
export type OnDelete = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

/** A table as it stands in a FROM. */
export interface TableRef {
  oid: string;
  schema: string;
  name: string;
  isPartitioned: boolean;
}

export interface ForeignKey {
  name: string;
  child: TableRef;
  parent: string;
  onDelete: OnDelete;
  childColumns: readonly string[];
  parentColumns: readonly string[];
  /** `OPERATOR("public".=)` of each pair, the column of the parent on its left: a type may bring its own. */
  operators: readonly string[];
  /** An index of the child leads with one of its columns: else each deletion reads the whole child. */
  isIndexed: boolean;
}

/** All foreign keys of a database, by what they refer to. */
export class ForeignKeys {
  readonly all: readonly ForeignKey[];
  readonly #byParent: ReadonlyMap<string, readonly ForeignKey[]>;

  constructor(keys: readonly ForeignKey[], ancestors: ReadonlyMap<string, string>) {
    this.all = keys;
    const grouped = Map.groupBy(keys, key => key.parent);
    this.#byParent = new Map(
      [...grouped].map(([parent, group]) => [parent, group.filter(key => !isCovered(key, group, ancestors))]),
    );
  }

  /** Those that refer to a table (or partition) itself. */
  to(oid: string): readonly ForeignKey[] {
    return this.#byParent.get(oid) ?? [];
  }
}

/** The server keeps a copy of a partitioned table's foreign key for each partition; what reads the whole covers them. */
function isCovered(key: ForeignKey, group: readonly ForeignKey[], ancestors: ReadonlyMap<string, string>): boolean {
  for (let oid = ancestors.get(key.child.oid); oid !== undefined; oid = ancestors.get(oid)) {
    if (group.some(other => other.child.oid === oid && `${other.childColumns}` === `${key.childColumns}`)) return true;
  }
  return false;
}

export async function readForeignKeys(client: pg.Client): Promise<ForeignKeys> {
  const { rows } = await client.query<ForeignKey & { deletion: string }>(query);
  const { rows: inherits } = await client.query<{ child: string; parent: string }>(
    `select i.inhrelid::text as child, i.inhparent::text as parent
       from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid where c.relispartition`,
  );
  return new ForeignKeys(
    rows.map(({ deletion, ...key }) => ({ ...key, onDelete: actions[deletion]! })),
    new Map(inherits.map(({ child, parent }) => [child, parent])),
  );
}

const actions: Readonly<Record<string, OnDelete>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};

const query = `
  select c.conname as name, c.confrelid::text as parent, c.confdeltype::text as deletion,
         json_build_object('oid', c.conrelid::text, 'schema', n.nspname, 'name', t.relname,
                           'isPartitioned', t.relkind = 'p') as child,
         (select array_agg(a.attname::text order by k.at)
            from unnest(c.conkey) with ordinality k(num, at)
            join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num) as "childColumns",
         (select array_agg(a.attname::text order by k.at)
            from unnest(c.confkey) with ordinality k(num, at)
            join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num) as "parentColumns",
         (select array_agg('OPERATOR(' || quote_ident(s.nspname) || '.' || o.oprname || ')' order by k.at)
            from unnest(c.conpfeqop) with ordinality k(op, at)
            join pg_catalog.pg_operator o on o.oid = k.op
            join pg_catalog.pg_namespace s on s.oid = o.oprnamespace) as operators,
         exists (select 1 from pg_catalog.pg_index i
                  where i.indrelid = c.conrelid and i.indisvalid and i.indkey[0] = any (c.conkey)) as "isIndexed"
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_class t on t.oid = c.conrelid
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
   where c.contype = 'f' and ${isEnforced('c')}
   order by n.nspname, t.relname, c.conname`;

/**
 * What refers to others first: once its rows are gone, those that they referred to may go as well. In a circle the order
 * in which the rules are declared stays.
 */
export function childrenFirst<Rule extends { oids: readonly string[] }>(
  rules: readonly Rule[],
  keys: Pick<ForeignKeys, 'all'>,
): Rule[] {
  const parents = Map.groupBy(keys.all, key => key.child.oid);
  const reach = (from: readonly string[]): Set<string> => {
    const seen = new Set<string>();
    const open = [...from];
    for (let oid = open.pop(); oid !== undefined; oid = open.pop()) {
      for (const { parent } of parents.get(oid) ?? []) {
        if (seen.has(parent)) continue;
        seen.add(parent);
        open.push(parent);
      }
    }
    return seen;
  };
  const reached = new Map(rules.map(rule => [rule, reach(rule.oids)]));
  const refersTo = (rule: Rule, other: Rule) => other.oids.some(oid => reached.get(rule)!.has(oid));
  const ordered: Rule[] = [];
  const left = [...rules];
  while (left.length > 0) {
    // The first one that nothing which is left refers to, circles aside.
    const at = left.findIndex(
      rule => !left.some(other => other !== rule && refersTo(other, rule) && !refersTo(rule, other)),
    );
    ordered.push(...left.splice(Math.max(at, 0), 1));
  }
  return ordered;
}

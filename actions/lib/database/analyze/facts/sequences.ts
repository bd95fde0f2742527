import { quoteQualified } from '../../../postgres/index.ts';
import type { DatabaseSession } from '../../session/index.ts';
import { systemSchema } from './relations.ts';

export interface SequenceFacts {
  schema: string;
  name: string;
  /** Towards which it counts; the smaller of the sequence's own limit and that of the column it fills. */
  limit: number;
  /** How far it has come on the way from its start to the limit; null when it was never used, or may not be read. */
  lastValue: number | null;
  min: number;
  increment: number;
  column: { schema: string; table: string; name: string; type: string } | null;
  isReadable: boolean;
}

/** The largest that double precision holds exactly; a bigint sequence is judged by ratio, where the rest does not matter. */
const perStatement = 250;

/**
 * Sequences that do not cycle. The values are read from the sequences themselves: `pg_sequence_last_value()` and the view
 * on top of it take ROW EXCLUSIVE on each of them.
 */
export async function readSequences(
  session: DatabaseSession,
  ignoreSchemas: readonly string[],
): Promise<SequenceFacts[]> {
  const sequences = await session.rows<Omit<SequenceFacts, 'lastValue'> & Record<string, unknown>>(sequencesQuery, [
    ignoreSchemas,
  ]);
  const values = new Map<string, number | null>();
  const readable = sequences.filter(sequence => sequence.isReadable);
  for (let start = 0; start < readable.length; start += perStatement) {
    const names = readable.slice(start, start + perStatement).map(({ schema, name }) => quoteQualified(schema, name));
    const rows = await session.rows<{ place: number; value: number | null }>(
      names
        .map(
          (name, place) =>
            `select ${place} as place, (case when is_called then last_value end)::float8 as value from ${name}`,
        )
        .join(' union all '),
    );
    for (const { place, value } of rows) values.set(names[place]!, value);
  }
  return sequences.map(sequence => ({
    ...sequence,
    lastValue: values.get(quoteQualified(sequence.schema, sequence.name)) ?? null,
  }));
}

const sequencesQuery = `
  select n.nspname as schema, c.relname as name, s.seqincrement::float8 as increment,
         (case when s.seqincrement > 0 then s.seqmin else -s.seqmax end)::float8 as min,
         (case when s.seqincrement > 0
               then least(s.seqmax, case col.type when 'smallint' then 32767 when 'integer' then 2147483647
                                     else 9223372036854775807 end)
               else -greatest(s.seqmin, case col.type when 'smallint' then -32768 when 'integer' then -2147483648
                                     else -9223372036854775807 end) end)::float8 as limit,
         case when col.name is not null then json_build_object(
           'schema', col.schema, 'table', col.table, 'name', col.name, 'type', col.type) end as column,
         has_schema_privilege(n.oid, 'usage') and has_sequence_privilege(c.oid, 'select') as "isReadable"
    from pg_catalog.pg_sequence s
    join pg_catalog.pg_class c on c.oid = s.seqrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join lateral (
      select m.nspname as schema, t.relname as table, a.attname as name, format_type(a.atttypid, null) as type
        from pg_catalog.pg_depend d
        join pg_catalog.pg_class t on t.oid = d.refobjid
        join pg_catalog.pg_namespace m on m.oid = t.relnamespace
        join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
       where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
         and d.refobjsubid > 0 and d.deptype in ('a', 'i')
       limit 1) col on true
   where not s.seqcycle and not ${systemSchema('n.nspname')} and n.nspname <> all ($1::text[])
   order by 1, 2`;

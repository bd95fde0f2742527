import { OpsError } from '../../errors/index.ts';
import { compilePatterns } from './patterns.ts';

export interface Relation {
  oid: string;
  schema: string;
  name: string;
  /** As in pg_class: r table, p partitioned table, v view, m materialised view, f foreign table, S sequence. */
  relkind: string;
  is_extension: boolean;
}

/** Who hangs on whom: what is left out takes along what could not be restored without it. */
export interface RelationLinks {
  parents: readonly { child: string; parent: string; isPartition: boolean }[];
  reads: readonly { view: string; relation: string }[];
}

export interface SelectionPatterns {
  includeTables: readonly string[];
  excludeTables: readonly string[];
  excludeTableData: readonly string[];
}

export interface Selection {
  /** Oids of relations that are not in the set at all. */
  leftOut: Set<string>;
  /** Oids of tables whose definition is in the set, and whose rows are not. */
  withoutRows: Set<string>;
  warnings: string[];
}

/**
 * What the patterns of the configuration mean for a database.
 *
 * A pattern that matches a partitioned table speaks of its partitions as well. An included table brings the tables it
 * inherits from. What inherits from an excluded table, and a view that reads one, goes with it, since neither could be
 * restored. Sequences, types, functions and extensions stay: tables may need them.
 * @throws OpsError `BACKUP_NO_TABLE` when an include pattern matches nothing
 */
export function selectRelations(
  relations: readonly Relation[],
  links: RelationLinks,
  patterns: SelectionPatterns,
): Selection {
  const include = compilePatterns(patterns.includeTables);
  const exclude = compilePatterns(patterns.excludeTables);
  const excludeData = compilePatterns(patterns.excludeTableData);
  const matching = (compiled: typeof include) => relations.filter(r => compiled.matches(r)).map(r => r.oid);

  const partitions = groupBy(
    links.parents.filter(l => l.isPartition),
    'parent',
    'child',
  );
  const children = groupBy(links.parents, 'parent', 'child');
  const parents = groupBy(links.parents, 'child', 'parent');
  const readers = groupBy(links.reads, 'relation', 'view');

  const leftOut = new Set<string>();
  if (patterns.includeTables.length > 0) {
    const included = closure(closure(matching(include), partitions), parents);
    for (const r of relations) {
      if (!included.has(r.oid) && r.relkind !== 'S' && !r.is_extension) leftOut.add(r.oid);
    }
  }
  for (const oid of closure(matching(exclude), partitions)) leftOut.add(oid);
  const chosen = new Set(leftOut);
  for (const oid of closure(closure(leftOut, children), readers)) leftOut.add(oid);

  const unmatched = include.unmatched();
  if (unmatched.length > 0) {
    throw new OpsError('BACKUP_NO_TABLE', `No table matches ${unmatched.map(p => `'${p}'`).join(', ')}`, {
      hint: 'Write schema.table as PostgreSQL shows it (case counts); * and ? match within a name.',
      exit: 'usage',
    });
  }
  const warnings = [...exclude.unmatched(), ...excludeData.unmatched()].map(
    p => `No table matches the exclusion '${p}'`,
  );
  for (const r of relations) {
    if (!leftOut.has(r.oid) || chosen.has(r.oid)) continue;
    warnings.push(`${r.schema}.${r.name} is not in the set: it reads or inherits from a table that was left out`);
  }
  return { leftOut, withoutRows: closure(matching(excludeData), partitions), warnings };
}

function groupBy<A extends string, B extends string>(
  links: readonly Record<A | B, unknown>[],
  from: A,
  to: B,
): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const link of links) {
    const key = String(link[from]);
    groups.set(key, [...(groups.get(key) ?? []), String(link[to])]);
  }
  return groups;
}

function closure(start: Iterable<string>, next: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set(start);
  // A set visits what is added to it while it is walked through.
  for (const oid of reached) for (const other of next.get(oid) ?? []) reached.add(other);
  return reached;
}

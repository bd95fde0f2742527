import { quoteQualified } from '../../postgres/index.ts';
import type { IndexDefinition } from '../indexes/index.ts';
import type { DatabaseSession } from '../session/index.ts';

/**
 * `state = 'open'` of a person is `(state = 'open'::text)` of the server. Both are shown to the server as the filter of a
 * plan, which it prints in one way; nothing is executed. Where it does not plan it (no right to read the table, no such
 * column) the text stands for itself, without space and outer parentheses.
 */
export class Canonical {
  readonly #session: DatabaseSession;
  readonly #known = new Map<string, string>();

  constructor(session: DatabaseSession) {
    this.#session = session;
  }

  /** Two definitions that mean the same give the same text. */
  async identity(definition: IndexDefinition): Promise<string> {
    const { schema, table, method, keys, include, where, isUnique = false } = definition;
    const own: unknown[] = [];
    for (const key of keys) {
      const isDescending = key.isDescending ?? false;
      const what = key.kind === 'column' ? key.column : await this.expression(definition, key.expression);
      own.push([key.kind, what, key.opclass ?? null, isDescending, key.isNullsFirst ?? isDescending]);
    }
    const predicate = where === undefined ? null : await this.#filter(definition, where);
    return JSON.stringify([schema, table, method, own, [...include].sort(), predicate, isUnique]);
  }

  async expression(definition: IndexDefinition, sql: string): Promise<string> {
    return this.#filter(definition, `(${sql}) IS NOT NULL`);
  }

  async #filter({ schema, table }: IndexDefinition, condition: string): Promise<string> {
    const key = JSON.stringify([schema, table, condition]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const canonical = (await this.#planned(quoteQualified(schema, table), condition)) ?? bare(condition);
    this.#known.set(key, canonical);
    return canonical;
  }

  async #planned(table: string, condition: string): Promise<string | undefined> {
    try {
      const [row] = await this.#session.rows<{ 'QUERY PLAN': unknown }>(
        `EXPLAIN (FORMAT JSON) SELECT FROM ONLY ${table} WHERE ${condition}`,
        [],
        // An index that implies the condition would swallow it; `public` for operators and types that are written short.
        {
          settings: {
            search_path: 'public',
            enable_indexscan: 'off',
            enable_bitmapscan: 'off',
            enable_indexonlyscan: 'off',
            constraint_exclusion: 'off',
          },
        },
      );
      return filterIn(row?.['QUERY PLAN']);
    } catch {
      return undefined;
    }
  }
}

function filterIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const filter = (answer as { Filter?: unknown }).Filter;
  if (typeof filter === 'string') return filter;
  return Object.values(answer)
    .map(filterIn)
    .find(each => each !== undefined);
}

function bare(sql: string): string {
  return sql
    .replace(/\s+/g, ' ')
    .replace(/^\((.*)\)$/, '$1')
    .trim();
}

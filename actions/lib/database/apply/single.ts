import type pg from 'pg';

/** Sent by the extended protocol, which takes one statement and no more, whatever a text from outside holds. */
export function single(text: string): pg.QueryConfig {
  const query: pg.QueryConfig & { queryMode: 'extended' } = { text, queryMode: 'extended' };
  return query;
}

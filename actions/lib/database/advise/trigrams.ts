import type pg from 'pg';
import { quoteIdent } from '../../postgres/index.ts';
import type { Catalog } from '../catalog/index.ts';
import { createTrigramExtension } from '../indexes/index.ts';

/** Where the operator class for trigrams is; without the extension it must be made first. */
export interface TrigramSupport {
  /** `gin_trgm_ops`, with its schema where that is not on the search path. */
  opclass: string;
  prerequisites: readonly string[];
}

/** The operator class as this database reaches it; the statement that makes it where it is not there yet. */
export async function trigramSupport(client: pg.Client, catalog: Catalog): Promise<TrigramSupport> {
  const { rows } = await client.query<{ schema: string }>(
    `SELECT n.nspname AS schema FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'`,
  );
  const schema = rows[0]?.schema;
  if (schema === undefined) return { opclass: 'gin_trgm_ops', prerequisites: [createTrigramExtension] };
  const isOnPath = catalog.searchPath.includes(schema);
  return { opclass: isOnPath ? 'gin_trgm_ops' : `${quoteIdent(schema)}.gin_trgm_ops`, prerequisites: [] };
}

import type { DatabaseConfig } from '../../config/index.ts';
import { readCatalog } from '../catalog/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import { declaredIndex } from './definition.ts';
import { compareDeclared, type Drift } from './drift.ts';

/**
 * The differences from `database.indexes`; undefined when nothing is declared, and so nothing can differ. Then the catalog
 * of indexes is not even read. Throws the codes of `pgError`.
 */
export async function readDrift(
  session: DatabaseSession,
  { indexes, indexesStrict, ignoreSchemas }: Pick<DatabaseConfig, 'indexes' | 'indexesStrict' | 'ignoreSchemas'>,
): Promise<Drift[] | undefined> {
  if (indexes.length === 0 && !indexesStrict) return undefined;
  const catalog = await session.transaction((_, client) => readCatalog(client));
  const options = { isStrict: indexesStrict, ignoreSchemas };
  return (await compareDeclared(session, catalog, indexes.map(declaredIndex), options)).drift;
}

import { createHash } from 'node:crypto';
import { definitionSql, type IndexDefinition } from './definition.ts';

// NAMEDATALEN - 1: a longer name is cut off by the server without an error, and then is not the one that was recorded.
const maxNameBytes = 63;

/**
 * `orders_customer_id_created_at_idx_3fa2b1c9`: readable, and the same for the same definition wherever it is made, so
 * that a build that was cut off is found again by its name alone.
 */
export function indexName(definition: IndexDefinition): string {
  const hash = createHash('sha256').update(definitionSql(definition)).digest('hex').slice(0, 8);
  const keys = definition.keys.map(key => (key.kind === 'column' ? key.column : 'expr'));
  const tail = `_idx_${hash}`;
  return `${wholeCharacters([definition.table, ...keys].join('_'), maxNameBytes - tail.length)}${tail}`;
}

/** As many whole characters as fit into so many bytes of UTF-8. */
function wholeCharacters(text: string, bytes: number): string {
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += Buffer.byteLength(character);
    if (used > bytes) break;
    kept += character;
  }
  return kept;
}

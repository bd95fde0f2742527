/** What somebody who knows these statements would have made by hand: none for what a key or a small table serves as well. */
export const wholesaleIndexes: readonly string[] = [
  'CREATE INDEX ON orders (customer_id, ordered_on DESC)',
  `CREATE INDEX ON orders (clerk, ordered_on) WHERE status = 'O'`,
  'CREATE INDEX ON orders (ordered_on)',
  'CREATE INDEX ON customers (phone)',
  'CREATE INDEX ON line_items (part_id, shipped_on)',
  'CREATE INDEX ON line_items (shipped_on)',
  'CREATE INDEX ON line_items (received_on)',
  `CREATE INDEX ON line_items (committed_on) WHERE status = 'O'`,
  'CREATE INDEX ON part_suppliers (supplier_id)',
  'CREATE INDEX ON parts (brand, container)',
  'CREATE INDEX ON parts USING gin (name gin_trgm_ops)',
];

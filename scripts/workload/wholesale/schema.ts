import type pg from 'pg';

/**
 * A wholesaler, as different from the reference platform as can be: few wide tables, most rows in the lines of orders, which
 * come in the order of time; reports over months and years beside the counter's look-ups. The tables are those of TPC-H,
 * section 1.4, in the names of this repository; the rows are the same each time. Keys, and no other index.
 * @param rows of all tables together, about
 */
export async function createWholesale(client: pg.Client, { rows }: { rows: number }): Promise<void> {
  const orders = Math.round(rows * 0.15);
  const parts = Math.max(40, Math.round(rows * 0.04));
  const suppliers = Math.max(20, Math.round(rows * 0.002));
  const customers = Math.max(20, Math.round(rows * 0.02));
  await client.query(tables);
  await client.query(`
    INSERT INTO nations SELECT i, 'Nation ' || i, (ARRAY['Africa', 'America', 'Asia', 'Europe', 'Middle East'])[1 + i % 5]
      FROM generate_series(0, 24) i;
    INSERT INTO suppliers SELECT i, (i * 7) % 25, 'Supplier ' || i, (i * 7919) % 10000 - 500 FROM generate_series(1, ${suppliers}) i;
    INSERT INTO customers
      SELECT i, (i * 11) % 25, (ARRAY['automobile', 'building', 'furniture', 'household', 'machinery'])[1 + (i * 3) % 5],
             'Customer ' || md5(i::text), '+' || 10 + (i * 11) % 25 || '-' || lpad(((i * 7907::bigint) % 10000000)::text, 7, '0'),
             (i * 104729::bigint) % 10000 - 500
        FROM generate_series(1, ${customers}) i;
    INSERT INTO parts
      SELECT i, concat_ws(' ', colour[1 + i % 12], colour[1 + (i * 5 + 3) % 12], substr(md5(i::text), 1, 8)),
             'Brand ' || 1 + (i * 13) % 25, (ARRAY['promo', 'standard', 'small', 'medium', 'economy', 'large'])[1 + (i * 7) % 6],
             1 + (i * 31) % 50, (ARRAY['box', 'bag', 'jar', 'drum', 'pack', 'can', 'case', 'wrap'])[1 + (i * 17) % 8],
             9 + (i * 37) % 1000
        FROM generate_series(1, ${parts}) i,
             (VALUES (ARRAY['almond', 'azure', 'blush', 'chiffon', 'coral', 'forest', 'ghost', 'indigo', 'ivory', 'linen', 'plum', 'slate'])) c (colour);
    INSERT INTO part_suppliers
      SELECT p, 1 + (p * 13 + n * ${Math.floor(suppliers / 4)}) % ${suppliers}, (p * 7 + n) % 10000, 1 + (p * 31 + n * 17) % 1000
        FROM generate_series(1, ${parts}) p, generate_series(0, 3) n;
    -- 2018 to 2024; a third of the customers never orders, and a few order much.
    INSERT INTO orders
      SELECT i, 1 + (CASE WHEN i % 10 = 0 THEN i % 20 ELSE (i * 7919::bigint) % ${Math.round((customers * 2) / 3)} END),
             CASE WHEN i > ${Math.round(orders * 0.97)} THEN 'O' ELSE 'F' END, 900 + (i * 6151::bigint) % 400000,
             date '2018-01-01' + (i * 2500::bigint / ${orders})::int, 1 + (i * 3) % 5, 'Clerk ' || (i * 17) % ${Math.max(10, Math.round(orders / 300))},
             'order ' || md5(i::text)
        FROM generate_series(1, ${orders}) i;
    INSERT INTO line_items
      SELECT o.id, n, 1 + (o.id * 31 + n * 7907) % ${parts}, 1 + (o.id * 13 + n * 31) % ${suppliers}, 1 + (o.id * 7 + n) % 50,
             1000 + (o.id * 37 + n * 11) % 90000, ((o.id + n) % 11) / 100.0, CASE WHEN o.status = 'O' THEN 'N' WHEN (o.id + n) % 12 = 0 THEN 'R' ELSE 'A' END,
             o.status, o.ordered_on + (1 + (o.id * 3 + n * 17) % 120)::int, o.ordered_on + (30 + (o.id * 5 + n * 13) % 60)::int,
             o.ordered_on + (2 + (o.id * 3 + n * 17) % 120 + (o.id + n) % 30)::int,
             (ARRAY['air', 'mail', 'rail', 'road', 'ship', 'courier', 'pickup'])[1 + (o.id * 5 + n) % 7], 'line ' || md5(o.id::text || n)
        FROM orders o, generate_series(1, 7) n WHERE n <= 1 + (o.id * 11) % 7`);
  await client.query('VACUUM (ANALYZE)');
}

const tables = `
  CREATE TABLE nations (id integer PRIMARY KEY, name text NOT NULL, region text NOT NULL);
  CREATE TABLE suppliers (id integer PRIMARY KEY, nation_id integer NOT NULL REFERENCES nations, name text NOT NULL, balance numeric NOT NULL);
  CREATE TABLE customers (
    id integer PRIMARY KEY, nation_id integer NOT NULL REFERENCES nations, segment text NOT NULL, name text NOT NULL,
    phone text NOT NULL, balance numeric NOT NULL);
  CREATE TABLE parts (
    id integer PRIMARY KEY, name text NOT NULL, brand text NOT NULL, kind text NOT NULL, size integer NOT NULL,
    container text NOT NULL, price numeric NOT NULL);
  CREATE TABLE part_suppliers (
    part_id integer NOT NULL REFERENCES parts, supplier_id integer NOT NULL REFERENCES suppliers, available integer NOT NULL,
    cost numeric NOT NULL, PRIMARY KEY (part_id, supplier_id));
  CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, status "char" NOT NULL, total numeric NOT NULL,
    ordered_on date NOT NULL, priority integer NOT NULL, clerk text NOT NULL, note text NOT NULL);
  CREATE TABLE line_items (
    order_id bigint NOT NULL REFERENCES orders, line integer NOT NULL, part_id integer NOT NULL REFERENCES parts,
    supplier_id integer NOT NULL REFERENCES suppliers, quantity integer NOT NULL, price numeric NOT NULL, discount numeric NOT NULL,
    return_flag "char" NOT NULL, status "char" NOT NULL, shipped_on date NOT NULL, committed_on date NOT NULL,
    received_on date NOT NULL, mode text NOT NULL, note text NOT NULL, PRIMARY KEY (order_id, line));
  CREATE EXTENSION pg_trgm`;

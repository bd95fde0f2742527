import { type ApplicationStatement, from, given } from '../statement.ts';

/** What the counter and the warehouse ask all day. */
const lookUps: readonly ApplicationStatement[] = [
  {
    name: 'order with its lines',
    calls: 5_000,
    sql: 'SELECT line, part_id, quantity, price FROM line_items WHERE order_id = $1 ORDER BY line',
    values: from('orders t', 'id::text'),
  },
  {
    name: 'orders of a customer',
    calls: 4_000,
    sql: 'SELECT id, ordered_on, status, total FROM orders WHERE customer_id = $1 ORDER BY ordered_on DESC LIMIT 20',
    values: from('orders t', 'customer_id::text'),
  },
  {
    name: 'customer by telephone',
    calls: 1_500,
    sql: 'SELECT id, name, balance FROM customers WHERE phone = $1',
    values: from('customers t', 'phone'),
  },
  {
    name: 'open orders of a clerk',
    calls: 800,
    sql: `SELECT id, ordered_on, total FROM orders WHERE clerk = $1 AND status = 'O' ORDER BY ordered_on`,
    values: from('orders t', 'clerk', `status = 'O'`),
  },
  {
    name: 'sales of a part',
    calls: 600,
    sql: 'SELECT count(*), sum(quantity) FROM line_items WHERE part_id = $1 AND shipped_on >= $2',
    values: from('parts t', `id::text, '2024-01-01'`),
  },
  {
    name: 'who supplies a part',
    calls: 2_000,
    sql: `SELECT s.name, ps.cost, ps.available FROM part_suppliers ps JOIN suppliers s ON s.id = ps.supplier_id
           WHERE ps.part_id = $1 ORDER BY ps.cost`,
    values: from('parts t', 'id::text'),
  },
  {
    name: 'what a supplier has',
    calls: 500,
    sql: `SELECT p.name, ps.cost FROM part_suppliers ps JOIN parts p ON p.id = ps.part_id
           WHERE ps.supplier_id = $1 ORDER BY p.name LIMIT 50`,
    values: from('suppliers t', 'id::text'),
  },
  {
    name: 'parts by brand and container',
    calls: 900,
    sql: 'SELECT id, name, price FROM parts WHERE brand = $1 AND container = $2 ORDER BY price LIMIT 20',
    values: from('parts t', 'brand, container'),
  },
  {
    name: 'part by a piece of its name',
    calls: 300,
    sql: `SELECT id, name FROM parts WHERE name ILIKE '%' || $1 || '%' LIMIT 20`,
    values: from('parts t', 'substr(name, length(name) - 6, 6)'),
  },
  {
    name: 'lines that are late',
    calls: 200,
    sql: `SELECT order_id, line, part_id FROM line_items WHERE status = 'O' AND committed_on < $1 ORDER BY committed_on LIMIT 100`,
    values: given(['2024-10-15'], ['2024-11-01']),
  },
  {
    name: 'what a customer sent back',
    calls: 150,
    sql: `SELECT l.order_id, l.line, l.price FROM line_items l JOIN orders o ON o.id = l.order_id
           WHERE o.customer_id = $1 AND l.return_flag = 'R'`,
    values: from('orders t', 'customer_id::text'),
  },
];

const writes: readonly ApplicationStatement[] = [
  {
    name: 'order is placed',
    calls: 300,
    sql: `INSERT INTO orders (id, customer_id, status, total, ordered_on, priority, clerk, note) VALUES ($1, $2, 'O', 1200, '2024-11-05', 3, 'Clerk 7', 'new')`,
    values: from('customers t', `(900000000 + id)::text, id::text`),
  },
  {
    name: 'line is added',
    calls: 1_200,
    sql: `INSERT INTO line_items (order_id, line, part_id, supplier_id, quantity, price, discount, return_flag, status, shipped_on, committed_on, received_on, mode, note)
          VALUES ($1, 9, $2, 1, 5, 1200, 0.05, 'N', 'O', '2024-11-20', '2024-11-25', '2024-11-28', 'rail', 'new')`,
    values: from('line_items t', 'order_id::text, part_id::text'),
  },
  {
    name: 'line is shipped',
    calls: 1_200,
    sql: `UPDATE line_items SET status = 'F', return_flag = 'A', shipped_on = '2024-11-06', received_on = '2024-11-09' WHERE order_id = $1 AND line = $2`,
    values: from('line_items t', 'order_id::text, line::text', `status = 'O'`),
  },
  {
    name: 'order is done',
    calls: 300,
    sql: `UPDATE orders SET status = 'F' WHERE id = $1`,
    values: from('orders t', 'id::text', `status = 'O'`),
  },
  {
    name: 'stock is taken',
    calls: 1_200,
    sql: 'UPDATE part_suppliers SET available = available - 1 WHERE part_id = $1 AND supplier_id = $2',
    values: from('part_suppliers t', 'part_id::text, supplier_id::text'),
  },
];

/** Questions 1, 2, 3, 4, 5, 6, 12, 14 and 17 of TPC-H, as an office asks them some times a day. */
const reports: readonly ApplicationStatement[] = [
  {
    name: 'Q1 pricing summary',
    calls: 2,
    sql: `SELECT return_flag, status, sum(quantity), sum(price), sum(price * (1 - discount)), avg(discount), count(*)
            FROM line_items WHERE shipped_on <= $1 GROUP BY return_flag, status ORDER BY return_flag, status`,
    values: given(['2024-08-01']),
  },
  {
    name: 'Q2 cheapest supplier',
    calls: 20,
    sql: `SELECT s.name, n.name, p.id FROM parts p JOIN part_suppliers ps ON ps.part_id = p.id JOIN suppliers s ON s.id = ps.supplier_id
            JOIN nations n ON n.id = s.nation_id
           WHERE p.size = $1 AND p.kind = $2 AND n.region = $3 AND ps.cost =
             (SELECT min(i.cost) FROM part_suppliers i JOIN suppliers si ON si.id = i.supplier_id JOIN nations ni ON ni.id = si.nation_id
               WHERE i.part_id = p.id AND ni.region = $3)
           ORDER BY s.balance DESC LIMIT 100`,
    values: from('parts t', `size::text, kind, 'Europe'`),
  },
  {
    name: 'Q3 largest orders not shipped',
    calls: 10,
    sql: `SELECT l.order_id, sum(l.price * (1 - l.discount)) AS revenue, o.ordered_on FROM customers c JOIN orders o ON o.customer_id = c.id
            JOIN line_items l ON l.order_id = o.id WHERE c.segment = $1 AND o.ordered_on < $2 AND l.shipped_on > $2
           GROUP BY l.order_id, o.ordered_on ORDER BY revenue DESC, o.ordered_on LIMIT 10`,
    values: given(['building', '2022-03-15'], ['machinery', '2024-06-01']),
  },
  {
    name: 'Q4 orders with a late line',
    calls: 10,
    sql: `SELECT priority, count(*) FROM orders o WHERE ordered_on >= $1 AND ordered_on < $2
             AND EXISTS (SELECT 1 FROM line_items l WHERE l.order_id = o.id AND l.committed_on < l.received_on)
           GROUP BY priority ORDER BY priority`,
    values: given(['2023-07-01', '2023-10-01']),
  },
  {
    name: 'Q5 volume of a region',
    calls: 5,
    sql: `SELECT n.name, sum(l.price * (1 - l.discount)) AS revenue FROM customers c JOIN orders o ON o.customer_id = c.id
            JOIN line_items l ON l.order_id = o.id JOIN suppliers s ON s.id = l.supplier_id AND s.nation_id = c.nation_id
            JOIN nations n ON n.id = s.nation_id WHERE n.region = $1 AND o.ordered_on >= $2 AND o.ordered_on < $3
           GROUP BY n.name ORDER BY revenue DESC`,
    values: given(['Asia', '2023-01-01', '2024-01-01']),
  },
  {
    name: 'Q6 revenue of a month',
    calls: 20,
    sql: `SELECT sum(price * discount) FROM line_items
           WHERE shipped_on >= $1 AND shipped_on < $2 AND discount BETWEEN $3 AND $4 AND quantity < $5`,
    values: given(
      ['2023-01-01', '2023-02-01', '0.05', '0.07', '24'],
      ['2024-05-01', '2024-06-01', '0.05', '0.07', '24'],
    ),
  },
  {
    name: 'Q12 modes of a quarter',
    calls: 10,
    sql: `SELECT l.mode, count(*) FILTER (WHERE o.priority <= 2), count(*) FILTER (WHERE o.priority > 2)
            FROM orders o JOIN line_items l ON l.order_id = o.id
           WHERE l.mode IN ($1, $2) AND l.committed_on < l.received_on AND l.shipped_on < l.committed_on
             AND l.received_on >= $3 AND l.received_on < $4 GROUP BY l.mode ORDER BY l.mode`,
    values: given(['mail', 'ship', '2024-01-01', '2024-04-01']),
  },
  {
    name: 'Q14 share of promotions',
    calls: 10,
    sql: `SELECT 100 * sum(l.price * (1 - l.discount)) FILTER (WHERE p.kind = 'promo') / sum(l.price * (1 - l.discount))
            FROM line_items l JOIN parts p ON p.id = l.part_id WHERE l.shipped_on >= $1 AND l.shipped_on < $2`,
    values: given(['2023-09-01', '2023-10-01']),
  },
  {
    name: 'Q17 small quantities',
    calls: 10,
    sql: `SELECT sum(l.price) / 7 FROM line_items l JOIN parts p ON p.id = l.part_id
           WHERE p.brand = $1 AND p.container = $2
             AND l.quantity < (SELECT 0.2 * avg(i.quantity) FROM line_items i WHERE i.part_id = p.id)`,
    values: from('parts t', 'brand, container'),
  },
];

/** A day of the wholesaler. */
export const wholesaleStatements: readonly ApplicationStatement[] = [...lookUps, ...writes, ...reports];

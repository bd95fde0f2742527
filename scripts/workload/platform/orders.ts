import { type ApplicationStatement, from, given } from '../statement.ts';

export const orderStatements: readonly ApplicationStatement[] = [
  {
    name: 'orders of a user',
    calls: 12_000,
    sql: 'SELECT id, number, status, total, placed_at FROM orders WHERE user_id = $1 ORDER BY placed_at DESC LIMIT 20',
    values: from('orders t', 'user_id::text'),
  },
  {
    name: 'cart of a user',
    calls: 50_000,
    sql: `SELECT id, total FROM orders WHERE user_id = $1 AND status = 'cart' ORDER BY id DESC LIMIT 1`,
    values: from('orders t', 'user_id::text'),
  },
  {
    name: 'order by its number',
    calls: 2_500,
    sql: 'SELECT id, user_id, status, total, shipping FROM orders WHERE number = $1',
    values: from('orders t', 'number'),
  },
  {
    name: 'lines of an order',
    calls: 20_000,
    sql: `SELECT i.line_no, i.quantity, i.total, p.name, p.slug FROM order_items i JOIN products p ON p.id = i.product_id
           WHERE i.order_id = $1 ORDER BY i.line_no`,
    values: from('orders t', 'id::text'),
  },
  {
    name: 'payments of an order',
    calls: 15_000,
    sql: 'SELECT id, method, status, amount, paid_at FROM payments WHERE order_id = $1 ORDER BY id',
    values: from('orders t', 'id::text'),
  },
  {
    name: 'payment that the provider reports',
    calls: 5_000,
    sql: 'SELECT id, order_id, status FROM payments WHERE provider_reference = $1',
    values: from('payments t', 'provider_reference', 'provider_reference IS NOT NULL'),
  },
  {
    name: 'payments that are pending',
    calls: 1_440,
    sql: `SELECT id, order_id, amount, provider_reference FROM payments WHERE status = 'pending' ORDER BY id LIMIT 100`,
  },
  {
    name: 'orders to be packed',
    calls: 3_000,
    sql: `SELECT id, number, total, placed_at FROM orders WHERE status IN ('placed', 'paid') ORDER BY placed_at LIMIT 50`,
  },
  {
    name: 'carts that were left',
    calls: 24,
    sql: `SELECT id, user_id, total FROM orders WHERE status = 'cart' AND placed_at >= $1 AND placed_at < $2`,
    values: given(['2025-12-29', '2025-12-30'], ['2025-12-30', '2025-12-31']),
  },
  {
    name: 'revenue by day',
    calls: 80,
    sql: `SELECT date_trunc('day', placed_at) AS day, count(*), sum(total) FROM orders
           WHERE placed_at >= $1 AND placed_at < $2 AND status NOT IN ('cart', 'cancelled') GROUP BY 1 ORDER BY 1`,
    values: given(['2025-12-01', '2025-12-31'], ['2025-06-01', '2025-07-01']),
  },
  {
    name: 'sales of a craftsman',
    calls: 2_000,
    sql: `SELECT o.number, o.placed_at, i.quantity, i.total, p.name FROM products p
            JOIN order_items i ON i.product_id = p.id JOIN orders o ON o.id = i.order_id
           WHERE p.craftsman_id = $1 ORDER BY o.placed_at DESC LIMIT 50`,
    values: from('products t', 'craftsman_id::text'),
  },
  {
    name: 'cart is begun',
    calls: 3_000,
    sql: `INSERT INTO orders (user_id, status, total, placed_at) VALUES ($1, 'cart', 0, $2)`,
    values: from('users t', `id::text, '2025-12-31 23:50+00'`),
  },
  {
    name: 'line is added',
    calls: 8_000,
    sql: 'INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price) VALUES ($1, 15, $2, 1, 39.90)',
    values: from('order_items t', 'order_id::text, product_id::text', 'order_id % 1000 = 3'),
  },
  {
    name: 'order goes on',
    calls: 6_000,
    sql: 'UPDATE orders SET status = $2 WHERE id = $1',
    values: from('orders t', `id::text, 'shipped'`, `status = 'paid'`),
  },
  {
    name: 'payment is captured',
    calls: 2_500,
    sql: `UPDATE payments SET status = 'captured', paid_at = $2 WHERE id = $1`,
    values: from('payments t', `id::text, '2026-01-01 00:10+00'`, `status = 'pending'`),
  },
];

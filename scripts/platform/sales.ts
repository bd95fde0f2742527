import { textArray } from './generators.ts';
import type { LoadStep } from './plan.ts';
import { craftSlugs } from './words.ts';

/** Where a sales table begins and ends, and when its row `i` happened (a SQL expression). */
export interface Span {
  first: number;
  last: number;
  at: (tag: string) => string;
}

/** Lines of an order: at least one, more with a geometric tail; the mean is what the plan reckons with. */
export const linesPerOrder = 2.72;
export const paymentsPerOrder = 0.99;

/** The order: items first, because an order's total is the sum of its items. */
export function orderSteps(span: Span, counts: { users: number; products: number }, isOpen: string): LoadStep[] {
  const size = span.last - span.first + 1;
  return [
    {
      label: 'order_items',
      rows: Math.round(size * linesPerOrder),
      sql: `
INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price, discount, engraving)
SELECT i, line, product, 1 + floor(4 * power(pg_temp.u(k, 'item.quantity'), 5))::integer, pg_temp.price(product),
       CASE WHEN pg_temp.u(k, 'item.discount') < 0.07 THEN 0.05 * pg_temp.n(k, 'item.discount/of', 1, 6) END,
       CASE WHEN pg_temp.u(k, 'item.engraving') < 0.04 THEN 'Für ' || pg_temp.person(k) END
  FROM generate_series(${span.first}::bigint, ${span.last}) i,
       generate_series(1, least(14, 1 + floor(-2.18 * ln(1 - pg_temp.u(i, 'order.lines'))))::integer) line,
       LATERAL (SELECT i * 16 + line AS k) AS keyed,
       LATERAL (SELECT pg_temp.popular(k, 'item.product', ${counts.products}) AS product OFFSET 0) AS chosen`,
    },
    {
      label: 'orders',
      rows: size,
      sql: `
INSERT INTO orders (id, user_id, status, shipping, total, note, placed_at, updated_at)
SELECT i, pg_temp.popular(i, 'order.user', ${counts.users}),
       CASE WHEN s < 0.03 THEN 'cart'::order_status WHEN s < 0.07 THEN 'cancelled'
            WHEN ${isOpen} THEN (ARRAY['placed', 'paid', 'paid', 'shipped']::order_status[])[pg_temp.n(i, 'order.open', 1, 4)]
            WHEN s < 0.10 THEN 'refunded' ELSE 'delivered' END,
       pg_temp.address(i), total,
       CASE WHEN pg_temp.u(i, 'order.note') < 0.12 THEN pg_temp.prose(pg_temp.language(i), i, 'order.note', 1) END,
       placed_at, placed_at + pg_temp.u(i, 'order.updated') * interval '9 days'
  FROM (SELECT order_id AS i, sum(total) AS total FROM order_items
         WHERE order_id BETWEEN ${span.first} AND ${span.last} GROUP BY order_id ORDER BY order_id) AS sums,
       LATERAL (SELECT pg_temp.u(i, 'order.status') AS s, ${span.at('order.placed')} AS placed_at OFFSET 0) AS facts`,
    },
    {
      label: 'payments',
      rows: Math.round(size * paymentsPerOrder),
      sql: `
INSERT INTO payments (order_id, method, status, amount, provider_reference, paid_at)
SELECT id, (ARRAY['card', 'card', 'card', 'sepa', 'invoice', 'paypal', 'paypal', 'gift card']::payment_method[])[pg_temp.n(id, 'payment.method', 1, 8)],
       status, total, CASE WHEN pg_temp.u(id, 'payment.reference') < 0.9
         THEN 'py_' || encode(substr(pg_temp.noise(id * 2 + attempt, 'payment'), 1, 12), 'hex') END,
       CASE WHEN status IN ('captured', 'refunded') THEN placed_at + pg_temp.u(id, 'payment.at') * interval '3 hours' END
  FROM (SELECT o.id, o.total, o.placed_at, attempt,
               CASE WHEN attempt = 1 AND pg_temp.u(o.id, 'payment.retry') < 0.02 THEN 'failed'::payment_status
                    WHEN o.status = 'placed' THEN 'pending' WHEN o.status = 'cancelled' THEN 'failed'
                    WHEN o.status = 'refunded' THEN 'refunded' ELSE 'captured' END AS status
          FROM orders o, generate_series(1, CASE WHEN pg_temp.u(o.id, 'payment.retry') < 0.02 THEN 2 ELSE 1 END) attempt
         WHERE o.id BETWEEN ${span.first} AND ${span.last} AND o.status <> 'cart'
         ORDER BY o.id, attempt) AS due`,
    },
  ];
}

export function pageViewStep(span: Span, counts: { users: number; products: number }): LoadStep {
  return {
    label: 'page_views',
    rows: span.last - span.first + 1,
    sql: `
INSERT INTO page_views (viewed_at, path, user_id, referrer, country, duration_ms)
SELECT ${span.at('view.at')},
       CASE WHEN pg_temp.u(i, 'view.path') < 0.55 THEN '/produkt/' || pg_temp.popular(i, 'item.product', ${counts.products})
            WHEN pg_temp.u(i, 'view.path') < 0.75 THEN '/handwerk/' || pg_temp.pick(i, 'craft', ${textArray(craftSlugs())})
            WHEN pg_temp.u(i, 'view.path') < 0.9 THEN '/' ELSE '/kurse?seite=' || pg_temp.n(i, 'view.page', 1, 30) END,
       CASE WHEN pg_temp.u(i, 'view.user') < 0.3 THEN pg_temp.popular(i, 'order.user', ${counts.users}) END,
       CASE WHEN pg_temp.u(i, 'view.from') < 0.5 THEN pg_temp.pick(i, 'view.referrer', ARRAY['https://www.example.com/search', 'https://news.example.org/handwerk', 'newsletter', 'https://blog.example.net/artisanat']) END,
       CASE WHEN pg_temp.u(i, 'country') < 0.6 THEN 'DE' WHEN pg_temp.u(i, 'country') < 0.95 THEN 'FR' END,
       CASE WHEN pg_temp.u(i, 'view.left') < 0.85 THEN floor(exp(9 + 1.2 * pg_temp.z(i, 'view.duration')))::integer END
  FROM generate_series(${span.first}::bigint, ${span.last}) i`,
  };
}

export function auditStep(span: Span, counts: { users: number; products: number }): LoadStep {
  return {
    label: 'audit_log',
    rows: span.last - span.first + 1,
    sql: `
INSERT INTO audit_log (id, at, actor_id, action, entity, entity_id, changes, ip)
SELECT i, ${span.at('audit.at')},
       CASE WHEN pg_temp.u(i, 'audit.actor') < 0.85 THEN pg_temp.popular(i, 'order.user', ${counts.users}) END,
       CASE kind WHEN 0 THEN 'sign-in' WHEN 1 THEN 'create' ELSE 'update' END,
       CASE kind WHEN 0 THEN 'user' WHEN 1 THEN 'order' WHEN 2 THEN 'product' ELSE 'order' END,
       pg_temp.anyone(i, 'audit.entity', ${counts.products}),
       CASE kind
         WHEN 1 THEN format('{"total": %s, "lines": %s, "channel": "%s"}', pg_temp.price(i), pg_temp.n(i, 'audit.lines', 1, 6),
                            pg_temp.pick(i, 'audit.channel', ARRAY['web', 'web', 'app', 'shop']))::jsonb
         WHEN 2 THEN format('{"price": {"old": %s, "new": %s}, "stock": %s}', pg_temp.price(i), pg_temp.price(i + 1),
                            pg_temp.n(i, 'audit.stock', 0, 40))::jsonb
         WHEN 3 THEN format('{"status": {"old": "paid", "new": "%s"}, "carrier": "%s", "parcel": "%s"}',
                            pg_temp.pick(i, 'audit.status', ARRAY['shipped', 'delivered', 'refunded']),
                            pg_temp.pick(i, 'audit.carrier', ARRAY['Post', 'Kurier', 'Abholung']),
                            pg_temp.anyone(i, 'audit.parcel', 99999999999))::jsonb
       END,
       CASE WHEN pg_temp.u(i, 'audit.ip') < 0.8 THEN pg_temp.ip(i) END
  FROM generate_series(${span.first}::bigint, ${span.last}) i,
       LATERAL (SELECT pg_temp.n(i, 'audit.kind', 0, 3) AS kind OFFSET 0) AS facts`,
  };
}

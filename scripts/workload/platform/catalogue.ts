import { type ApplicationStatement, from, given } from '../statement.ts';

export const catalogueStatements: readonly ApplicationStatement[] = [
  {
    name: 'a craft, the newest first',
    calls: 40_000,
    sql: `SELECT id, slug, name, price FROM products WHERE craft_id = $1 AND status = 'active' ORDER BY created_at DESC LIMIT 24`,
    values: from('products t', 'craft_id::text'),
  },
  {
    name: 'a craft within a price',
    calls: 12_000,
    sql: `SELECT id, slug, name, price FROM products WHERE craft_id = $1 AND status = 'active' AND price BETWEEN $2 AND $3
           ORDER BY price LIMIT 24`,
    values: from('products t', `craft_id::text, '20', '60'`),
  },
  {
    name: 'page of a product',
    calls: 80_000,
    sql: `SELECT p.id, p.name, p.description, p.price, p.stock, p.attributes, c.names, m.display_name
            FROM products p JOIN crafts c ON c.id = p.craft_id JOIN craftsmen m ON m.id = p.craftsman_id WHERE p.slug = $1`,
    values: from('products t', 'slug::text'),
  },
  {
    name: 'pictures of a product',
    calls: 80_000,
    sql: 'SELECT path, alt, width, height FROM product_images WHERE product_id = $1 ORDER BY position',
    values: from('products t', 'id::text'),
  },
  {
    name: 'things of a craftsman',
    calls: 20_000,
    sql: `SELECT id, slug, name, price FROM products WHERE craftsman_id = $1 AND status = 'active' ORDER BY created_at DESC LIMIT 12`,
    values: from('products t', 'craftsman_id::text'),
  },
  {
    name: 'sold out at a craftsman',
    calls: 800,
    sql: `SELECT id, name, updated_at FROM products WHERE craftsman_id = $1 AND status = 'sold_out' ORDER BY updated_at DESC`,
    values: from('products t', 'craftsman_id::text', `status = 'sold_out'`),
  },
  {
    name: 'search in names',
    calls: 9_000,
    sql: `SELECT id, slug, name, price FROM products WHERE name ILIKE $1 AND status = 'active' ORDER BY created_at DESC LIMIT 24`,
    values: given(['%teekanne%'], ['%schaukelpferd, zinn%'], ['%nordlicht%']),
  },
  {
    name: 'things with a tag',
    calls: 4_000,
    sql: `SELECT id, slug, name, price FROM products WHERE tags @> ARRAY[$1] AND status = 'active' ORDER BY created_at DESC LIMIT 24`,
    values: given(['erbstück'], ['küche'], ['noël']),
  },
  {
    name: 'things with attributes',
    calls: 1_500,
    sql: `SELECT id, slug, name, price FROM products WHERE attributes @> $1 AND status = 'active' ORDER BY price LIMIT 24`,
    values: given(['{"farbe": "blau", "einzelstück": true}'], ['{"maße": {"h": 30, "b": 40}}']),
  },
  {
    name: 'reviews of a product',
    calls: 60_000,
    sql: 'SELECT rating, title, body, language, created_at FROM reviews WHERE product_id = $1 ORDER BY created_at DESC LIMIT 10',
    values: from('reviews t', 'product_id::text'),
  },
  {
    name: 'rating of a product',
    calls: 60_000,
    sql: 'SELECT avg(rating), count(*) FROM reviews WHERE product_id = $1',
    values: from('reviews t', 'product_id::text'),
  },
  {
    name: 'reviews by a user',
    calls: 1_500,
    sql: 'SELECT id, product_id, rating, title, created_at FROM reviews WHERE user_id = $1 ORDER BY created_at DESC',
    values: from('reviews t', 'user_id::text'),
  },
  {
    name: 'most helpful reviews in a language',
    calls: 900,
    sql: `SELECT r.id, r.product_id, r.title, r.helpful_votes FROM reviews r WHERE r.language = $1 AND r.rating = 5
           ORDER BY r.helpful_votes DESC LIMIT 10`,
    values: given(['fr'], ['de'], ['en']),
  },
  {
    name: 'review helped',
    calls: 2_000,
    sql: 'UPDATE reviews SET helpful_votes = helpful_votes + 1 WHERE id = $1',
    values: from('reviews t', 'id::text'),
  },
  {
    name: 'wishes of a user',
    calls: 6_000,
    sql: `SELECT p.id, p.slug, p.name, p.price, w.added_at FROM wishlists w JOIN products p ON p.id = w.product_id
           WHERE w.user_id = $1 ORDER BY w.added_at DESC`,
    values: from('wishlists t', 'user_id::text'),
  },
  {
    name: 'who wishes for a product',
    calls: 30_000,
    sql: 'SELECT count(*) FROM wishlists WHERE product_id = $1',
    values: from('wishlists t', 'product_id::text'),
  },
  {
    name: 'bought together',
    calls: 15_000,
    sql: `SELECT other.product_id, count(*) AS times FROM order_items i
            JOIN order_items other ON other.order_id = i.order_id AND other.product_id <> i.product_id
           WHERE i.product_id = $1 GROUP BY other.product_id ORDER BY times DESC, other.product_id LIMIT 6`,
    values: from('order_items t', 'product_id::text', 'order_id % 1000 = 7'),
  },
  {
    name: 'one is sold',
    calls: 8_000,
    sql: 'UPDATE products SET stock = stock - 1 WHERE id = $1 AND stock > 0',
    values: from('products t', 'id::text', 'stock > 0'),
  },
  {
    name: 'catalogue view, a town',
    calls: 900,
    sql: 'SELECT id, slug, name, price, craftsman FROM product_catalogue WHERE place = $1 ORDER BY price DESC LIMIT 24',
    values: from('"Werkstätten" t', '"Ort"'),
  },
];

export const trafficStatements: readonly ApplicationStatement[] = [
  {
    name: 'page is viewed',
    calls: 150_000,
    sql: `INSERT INTO page_views (viewed_at, path, user_id, country, duration_ms) VALUES ($1, $2, $3, 'DE', 1200)`,
    values: from('products t', `'2025-12-31 23:59+00', '/produkt/' || id, '77'`),
  },
  {
    name: 'views of a page this week',
    calls: 2_000,
    sql: 'SELECT count(*) FROM page_views WHERE path = $1 AND viewed_at >= $2',
    values: from('page_views t', `path, '2025-12-25'`, `path LIKE '/produkt/%'`),
  },
  {
    name: 'views of a day by country',
    calls: 150,
    sql: `SELECT country, count(*), avg(duration_ms) FROM page_views WHERE viewed_at >= $1 AND viewed_at < $2 GROUP BY country`,
    values: given(['2025-12-20', '2025-12-21'], ['2025-07-03', '2025-07-04']),
  },
  {
    name: 'what a user looked at',
    calls: 3_000,
    sql: 'SELECT path, viewed_at FROM page_views WHERE user_id = $1 ORDER BY viewed_at DESC LIMIT 20',
    values: from('page_views t', 'user_id::text', 'user_id IS NOT NULL'),
  },
];

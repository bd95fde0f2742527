import { type ApplicationStatement, from, given } from '../statement.ts';

export const contentStatements: readonly ApplicationStatement[] = [
  {
    name: 'a page in a language',
    calls: 25_000,
    sql: `SELECT p.id, p.published_at, t.title, t.body FROM content.pages p JOIN content.translations t ON t.page_id = p.id
           WHERE p.slug = $1 AND t.language = $2`,
    values: from('content.pages t', `slug::text, 'fr'`),
  },
  {
    name: 'full-text search',
    calls: 5_000,
    sql: `SELECT t.page_id, t.title, ts_rank(t.search, q) AS rank FROM content.translations t, websearch_to_tsquery('german', $1) q
           WHERE t.language = 'de' AND t.search @@ q ORDER BY rank DESC, t.page_id LIMIT 20`,
    values: given(['Geigenbogen Kirschholz'], ['Zinn Laterne -Garten'], ['"punziert" Messing Sammler']),
  },
  {
    name: 'pages about a craft',
    calls: 12_000,
    sql: `SELECT p.id, p.slug, t.title FROM content.pages p JOIN content.translations t ON t.page_id = p.id AND t.language = $2
           WHERE p.craft_id = $1 AND p.published_at <= $3 ORDER BY p.published_at DESC LIMIT 10`,
    values: from('content.pages t', `craft_id::text, 'de', '2026-01-01'`, 'craft_id IS NOT NULL'),
  },
  {
    name: 'newest pages',
    calls: 20_000,
    sql: `SELECT p.id, p.slug, t.title FROM content.pages p JOIN content.translations t ON t.page_id = p.id AND t.language = $1
           WHERE p.published_at IS NOT NULL ORDER BY p.published_at DESC LIMIT 10`,
    values: given(['de'], ['fr']),
  },
  {
    name: 'pages of an author',
    calls: 600,
    sql: 'SELECT id, slug, published_at, updated_at FROM content.pages WHERE author_id = $1 ORDER BY updated_at DESC',
    values: from('content.pages t', 'author_id::text'),
  },
  {
    name: 'pages to a keyword',
    calls: 2_500,
    sql: `SELECT page_id, title FROM content.translations WHERE keywords @> ARRAY[$1] AND language = $2 ORDER BY title LIMIT 20`,
    values: given(['mariage', 'fr'], ['büro', 'de']),
  },
];

/** What is there in several languages: names in jsonb, rows by language, text that is stemmed by it. */
export const languageStatements: readonly ApplicationStatement[] = [
  {
    name: 'crafts below a root',
    calls: 30_000,
    sql: 'SELECT id, slug, names ->> $2 AS name FROM crafts WHERE parent_id = $1 ORDER BY 3',
    values: given(['1', 'fr'], ['7', 'en']),
  },
  {
    name: 'titles in a language',
    calls: 1_500,
    sql: 'SELECT page_id, title FROM content.translations WHERE language = $1 AND title ILIKE $2 ORDER BY title LIMIT 20',
    values: given(['fr', '%théière%'], ['en', '%rocking horse, p%']),
  },
  {
    name: 'pages without a translation',
    calls: 40,
    sql: `SELECT p.id, p.slug FROM content.pages p
           WHERE NOT EXISTS (SELECT 1 FROM content.translations t WHERE t.page_id = p.id AND t.language = $1)`,
    values: given(['fr'], ['en']),
  },
  {
    name: 'French courses by words',
    calls: 1_200,
    sql: `SELECT id, title, price FROM courses
           WHERE to_tsvector('french', title || ' ' || description) @@ plainto_tsquery('french', $1) AND language = 'fr' LIMIT 24`,
    values: given(['panier osier'], ['couteau corne forgé']),
  },
  {
    name: 'reviews of a product in a language',
    calls: 10_000,
    sql: 'SELECT rating, title, body FROM reviews WHERE product_id = $1 AND language = $2 ORDER BY helpful_votes DESC LIMIT 5',
    values: from('reviews t', 'product_id::text, language::text'),
  },
];

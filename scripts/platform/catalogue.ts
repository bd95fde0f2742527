import { quoteLiteral } from '../../actions/lib/postgres/index.ts';
import { epoch, textArray } from './generators.ts';
import type { LoadStep, PlatformCounts } from './plan.ts';
import { craftSlugs, craftTree, slugOf } from './words.ts';

const roles = ['customer', 'craftsman', 'editor', 'support', 'administrator'];

const settings: [string, unknown][] = [
  ['shop.currency', 'EUR'],
  ['shop.vat', { DE: 0.19, FR: 0.2, AT: 0.2, CH: 0.081 }],
  ['shop.free_shipping_from', 120],
  ['shop.name', { de: 'Haus der Handwerke', en: 'House of Crafts', fr: 'Maison des métiers' }],
  ['mail.sender', 'Haus der Handwerke <post@example.org>'],
  ['mail.footer', 'Grüße aus der Werkstatt\n„Von Hand gemacht“ \\ fait main\t✂'],
  ['features', { wishlist: true, gift_cards: true, live_chat: false }],
  ['search.boost', [1, 0.5, 0.25, null]],
  ['courses.cancel_hours', 72],
  ['maintenance', null],
  ['images.sizes', [320, 640, 1280]],
  ['business.day', { day: epoch }],
];

/** Rows of the tables that do not grow with the platform. */
export const smallRows = roles.length + settings.length + craftTree.length * 6;

export function smallSteps(): LoadStep[] {
  const names = (entry: string) => {
    const [, de, en, fr] = entry.split(':');
    return quoteLiteral(JSON.stringify({ de, en, fr }));
  };
  let id = 0;
  const crafts = craftTree.flatMap(({ root, leaves }) => {
    const parent = ++id;
    const line = (entry: string, own: number, slug: string, under: string) =>
      `(${own}, ${under}, ${quoteLiteral(slug)}, ${names(entry)}, ${own % 7 === 0})`;
    return [
      line(root, parent, slugOf(root), 'NULL'),
      ...leaves.map(leaf => line(leaf, ++id, `${slugOf(root)}-${slugOf(leaf)}`, String(parent))),
    ];
  });
  const at = `'${epoch} 00:00+00'`;
  return [
    {
      label: 'roles',
      rows: roles.length,
      sql: `INSERT INTO roles (name) SELECT unnest(${textArray(roles)})`,
    },
    {
      label: 'crafts',
      rows: crafts.length,
      sql: `INSERT INTO crafts (id, parent_id, slug, names, is_endangered) VALUES ${crafts.join(',')}`,
    },
    {
      label: 'settings',
      rows: settings.length,
      sql: `INSERT INTO settings VALUES ${settings
        .map(([key, value]) => `(${quoteLiteral(key)}, ${quoteLiteral(JSON.stringify(value))}, ${at})`)
        .join(',')}`,
    },
  ];
}

export function userSteps(counts: PlatformCounts): LoadStep[] {
  return [
    {
      label: 'users',
      rows: counts.users,
      sql: `
INSERT INTO users (id, email, display_name, password_hash, language, address, born_on, newsletter, created_at, last_seen_at)
SELECT i, lower(translate(replace(name, ' ', '.'), 'äöüéèêëçßÉÈÊ', 'aoueeeecseee')) || i || '@'
          || pg_temp.pick(i, 'user.mail', ARRAY['example.org', 'example.com', 'mail.example.net', 'post.example.de']),
       name,
       CASE WHEN pg_temp.u(i, 'user.password') < 0.8 THEN '$argon2id$v=19$m=65536,t=3,p=4$' || encode(pg_temp.noise(i, 'user.password'), 'base64') END,
       pg_temp.language(i), CASE WHEN pg_temp.u(i, 'user.address') < 0.7 THEN pg_temp.address(i) END,
       CASE WHEN pg_temp.u(i, 'user.born') < 0.35 THEN date '1945-01-01' + pg_temp.n(i, 'user.born/on', 0, 22000) END,
       pg_temp.u(i, 'user.newsletter') < 0.31, joined,
       CASE WHEN pg_temp.u(i, 'user.seen') < 0.78
         THEN joined + (timestamptz '${epoch} 00:00+00' - joined) * (1 - power(pg_temp.u(i, 'user.seen/at'), 3)) END
  FROM generate_series(1::bigint, ${counts.users}) i,
       LATERAL (SELECT pg_temp.person(i) AS name,
                       timestamptz '${epoch} 00:00+00' - (1 - (i - 0.5) / ${counts.users}) * interval '1400 days' AS joined OFFSET 0) AS facts`,
    },
  ];
}

export function userRoleSteps(counts: PlatformCounts): LoadStep[] {
  const specialists = Math.round(counts.users * 0.06);
  return [
    {
      label: 'user_roles',
      rows: counts.users + specialists,
      sql: `
INSERT INTO user_roles (user_id, role_id, granted_at)
SELECT i, 1, timestamptz '${epoch} 00:00+00' - (1 - (i - 0.5) / ${counts.users}) * interval '1400 days'
  FROM generate_series(1::bigint, ${counts.users}) i
UNION ALL
SELECT i * ${Math.floor(counts.users / specialists)}, CASE WHEN i <= ${specialists} * 0.8 THEN 2 ELSE pg_temp.n(i, 'role', 3, 5) END,
       timestamptz '${epoch} 00:00+00' - pg_temp.u(i, 'role.at') * interval '30 days'
  FROM generate_series(1::bigint, ${specialists}) i`,
    },
  ];
}

/** Large objects carry oids of our own choosing, so that two platforms with the same seed are equal in them too. */
const firstCertificateOid = 900_000_000;
const certificateEvery = 25;
const mostCertificates = 400;

export function craftsmanSteps(counts: PlatformCounts): LoadStep[] {
  const hasCertificate = `i % ${certificateEvery} = 1 AND i <= ${certificateEvery * mostCertificates}`;
  return [
    {
      label: 'craftsmen',
      rows: counts.craftsmen,
      sql: `
INSERT INTO craftsmen (id, user_id, craft_id, display_name, biography, master_since, languages, certificate, rating, updated_at)
SELECT i, i * ${Math.max(1, Math.floor(counts.users / counts.craftsmen))}, ${leafCraft('i')},
       pg_temp.pick(i, 'trade', ARRAY['Werkstatt', 'Atelier', 'Manufaktur', 'Maison', 'Hof']) || ' ' || pg_temp.person(i),
       pg_temp.prose(pg_temp.language(i), i, 'biography', pg_temp.n(i, 'biography.length', 3, 9)),
       CASE WHEN pg_temp.u(i, 'master') < 0.7 THEN date '1970-01-01' + pg_temp.n(i, 'master.since', 0, 19000) END,
       CASE WHEN pg_temp.u(i, 'speaks') < 0.4 THEN ARRAY['de', 'en'] WHEN pg_temp.u(i, 'speaks') < 0.6 THEN ARRAY['fr', 'de']
            ELSE ARRAY['de'] END::language_code[],
       CASE WHEN ${hasCertificate} THEN (${firstCertificateOid} + i)::oid END,
       CASE WHEN pg_temp.u(i, 'rated') < 0.85 THEN round((5 - 2.5 * power(pg_temp.u(i, 'rating'), 2))::numeric, 1) END,
       timestamptz '${epoch} 00:00+00' - pg_temp.u(i, 'craftsman.updated') * interval '200 days'
  FROM generate_series(1::bigint, ${counts.craftsmen}) i`,
    },
    {
      label: 'certificates (large objects)',
      rows: 0,
      sql: `
SELECT lo_from_bytea(certificate, convert_to(E'%PDF-1.4\\n', 'UTF8') ||
         (SELECT string_agg(pg_temp.noise(id * 1024 + k, 'certificate'), ''::bytea ORDER BY k)
            FROM generate_series(1, pg_temp.n(id, 'certificate.length', 250, 900)) k))
  FROM craftsmen WHERE certificate IS NOT NULL ORDER BY id`,
    },
    {
      label: 'Werkstätten',
      rows: counts.craftsmen,
      sql: `
INSERT INTO "Werkstätten" ("Nr", "handwerkerId", "Name", "Ort", "Plätze", "Öffnungszeiten", "Lage", "barrierefrei?")
SELECT i, i, 'Werkstatt ' || pg_temp.pick(i, 'workshop', ARRAY['am Bach', 'im Hof', '„Alte Schmiede“', 'St. Anna', 'l''Atelier', 'Nord & Süd']),
       pg_temp.place(i, 'city'), pg_temp.n(i, 'workshop.seats', 4, 24),
       format('{"Mo": null, "Di–Fr": ["0%s:00", "1%s:30"], "Sa": %s}', pg_temp.n(i, 'opens', 7, 9), pg_temp.n(i, 'closes', 6, 9),
              CASE WHEN pg_temp.u(i, 'saturday') < 0.5 THEN '["10:00", "14:00"]' ELSE 'null' END)::jsonb,
       CASE WHEN pg_temp.u(i, 'located') < 0.9
         THEN point(round((5.8 + 8 * pg_temp.u(i, 'lon'))::numeric, 5)::float8, round((45.7 + 6 * pg_temp.u(i, 'lat'))::numeric, 5)::float8) END,
       CASE WHEN pg_temp.u(i, 'accessible') < 0.6 THEN pg_temp.u(i, 'accessible') < 0.35 END
  FROM generate_series(1::bigint, ${counts.craftsmen}) i`,
    },
  ];
}

/** Products and courses belong to leaves of the tree, which follow their root in threes and fives: 2..6, 8..12, … */
function leafCraft(key: string): string {
  return `(pg_temp.popular(${key}, 'craft', ${craftTree.length * 5}) - 1) / 5 * 6 + 2 + (pg_temp.popular(${key}, 'craft', ${craftTree.length * 5}) - 1) % 5`;
}

export function courseSteps(counts: PlatformCounts): LoadStep[] {
  // A workshop's slots follow each other at equal distance, so that no two sessions in it can overlap.
  const coursesPerWorkshop = Math.ceil(counts.courses / counts.craftsmen);
  const slots = Math.ceil(counts.courseSessions / counts.courses) * coursesPerWorkshop;
  const daysApart = 760 / slots;
  return [
    {
      label: 'courses',
      rows: counts.courses,
      sql: `
INSERT INTO courses (id, craftsman_id, craft_id, title, description, language, duration, price, tags, updated_at)
SELECT i, 1 + (i - 1) % ${counts.craftsmen}, ${leafCraft('i')}, pg_temp.object(l, i + 7000000),
       pg_temp.prose(l, i, 'course', pg_temp.n(i, 'course.length', 3, 7)), l,
       pg_temp.n(i, 'course.hours', 2, 40) * interval '30 minutes', 20 + 5 * pg_temp.n(i, 'course.price', 2, 60),
       ARRAY[pg_temp.pick(i, 'level', ARRAY['einsteiger', 'fortgeschritten', 'meister']), pg_temp.pick(i, 'when', ARRAY['wochenende', 'abend', 'ferien'])],
       timestamptz '${epoch} 00:00+00' - pg_temp.u(i, 'course.updated') * interval '300 days'
  FROM generate_series(1::bigint, ${counts.courses}) i, LATERAL (SELECT pg_temp.language(i) AS l OFFSET 0) AS facts`,
    },
    {
      label: 'course_sessions',
      rows: counts.courseSessions,
      sql: `
INSERT INTO course_sessions (id, course_id, workshop_id, during, seats, cancelled_at)
SELECT i, course, 1 + (course - 1) % ${counts.craftsmen}, tstzrange(begins, begins + pg_temp.n(i, 'session.hours', 2, 30) * interval '1 hour'),
       pg_temp.n(i, 'session.seats', 4, 16),
       CASE WHEN pg_temp.u(i, 'session.cancelled') < 0.06 THEN begins - interval '9 days' END
  FROM generate_series(1::bigint, ${counts.courseSessions}) i,
       LATERAL (SELECT 1 + (i - 1) % ${counts.courses} AS course OFFSET 0) AS which,
       LATERAL (SELECT date_trunc('hour', timestamptz '2024-02-01 09:00+00' + ${daysApart} * interval '1 day' *
                  ((i - 1) / ${counts.courses} * ${coursesPerWorkshop} + (course - 1) / ${counts.craftsmen})
                  + pg_temp.n(i, 'session.shift', 0, 8) * interval '1 hour') AS begins OFFSET 0) AS slot`,
    },
    {
      label: 'bookings',
      rows: counts.bookings,
      sql: `
INSERT INTO bookings (id, session_id, user_id, seats, status, note, booked_at)
SELECT i, pg_temp.popular(i, 'booking.session', ${counts.courseSessions}), pg_temp.anyone(i, 'booking.user', ${counts.users}),
       1 + floor(4 * power(pg_temp.u(i, 'booking.seats'), 4))::smallint,
       (ARRAY['attended', 'attended', 'attended', 'confirmed', 'cancelled', 'waitlisted', 'requested']::booking_status[])[pg_temp.n(i, 'booking.status', 1, 7)],
       CASE WHEN pg_temp.u(i, 'booking.note') < 0.1 THEN pg_temp.prose(pg_temp.language(i), i, 'booking', 1) END,
       pg_temp.season(i, 'booking.at', (i - 0.5) / ${counts.bookings})
  FROM generate_series(1::bigint, ${counts.bookings}) i
ON CONFLICT (session_id, user_id) DO NOTHING`,
    },
  ];
}

export function productSteps(counts: PlatformCounts): LoadStep[] {
  return [
    {
      label: 'products',
      rows: counts.products,
      sql: `
INSERT INTO products (id, craftsman_id, craft_id, slug, name, description, price, stock, weight_grams, lead_days, tags, attributes, status, created_at, updated_at)
SELECT i, pg_temp.popular(i, 'product.craftsman', ${counts.craftsmen}), ${leafCraft('i')},
       pg_temp.pick(i, 'slug', ${textArray(craftSlugs())}) || '-' || i, pg_temp.object(l, i) || coalesce(' „' || pg_temp.pick(i, 'line', ARRAY['Aurelia', 'Nordlicht', 'Belle Époque', 'Ur', NULL, NULL, NULL]) || '“', ''),
       pg_temp.prose(l, i, 'product', pg_temp.n(i, 'product.length', 2, 7)), pg_temp.price(i),
       floor(30 * power(pg_temp.u(i, 'stock'), 4))::integer,
       CASE WHEN pg_temp.u(i, 'weighed') < 0.8 THEN 20 + floor(exp(6 + pg_temp.z(i, 'weight')))::integer END,
       CASE WHEN pg_temp.u(i, 'lead') < 0.6 THEN int4range(pg_temp.n(i, 'lead.from', 1, 14), pg_temp.n(i, 'lead.to', 15, 60)) END,
       (ARRAY[pg_temp.pick(i, 'tag/1', ${tags}), pg_temp.pick(i, 'tag/2', ${tags}), pg_temp.pick(i, 'tag/3', ${tags})])[1:pg_temp.n(i, 'tags', 0, 3)],
       format('{"farbe": "%s", "maße": {"h": %s, "b": %s}, "pflege": %s%s}', pg_temp.pick(i, 'colour', ARRAY['natur', 'dunkel', 'blau', 'weiß', 'grün']),
              pg_temp.n(i, 'height', 3, 90), pg_temp.n(i, 'width', 3, 90), CASE WHEN pg_temp.u(i, 'care') < 0.5 THEN 'null' ELSE '["Öl", "feuchtes Tuch"]' END,
              CASE WHEN pg_temp.u(i, 'unique') < 0.1 THEN ', "einzelstück": true' END)::jsonb,
       CASE WHEN pg_temp.u(i, 'product.status') < 0.8 THEN 'active'::product_status WHEN pg_temp.u(i, 'product.status') < 0.88 THEN 'sold_out'
            WHEN pg_temp.u(i, 'product.status') < 0.97 THEN 'archived' ELSE 'draft' END,
       made, made + (timestamptz '${epoch} 00:00+00' - made) * pg_temp.u(i, 'product.updated')
  FROM generate_series(1::bigint, ${counts.products}) i,
       LATERAL (SELECT pg_temp.language(i) AS l, timestamptz '${epoch} 00:00+00' - (1 - (i - 0.5) / ${counts.products}) * interval '1300 days' AS made OFFSET 0) AS facts`,
    },
    {
      label: 'product_images',
      rows: counts.productImages,
      sql: `
INSERT INTO product_images (id, product_id, position, path, alt, width, height, sha256)
SELECT i, (i + 1) / 2, 1 + (i + 1) % 2, format('products/%s/%s/%s.jpg', (i + 1) / 2 / 100, (i + 1) / 2, encode(substr(pg_temp.noise(i, 'image'), 1, 6), 'hex')),
       CASE WHEN pg_temp.u(i, 'image.alt') < 0.4 THEN jsonb_build_object('de', pg_temp.object_de(i), 'fr', pg_temp.object_fr(i)) END,
       80 * pg_temp.n(i, 'image.width', 8, 40), 80 * pg_temp.n(i, 'image.height', 8, 40), pg_temp.noise(i, 'image.sha256')
  FROM generate_series(1::bigint, ${counts.productImages}) i`,
    },
  ];
}

const tags = textArray([
  'geschenk',
  'holz',
  'küche',
  'garten',
  'unikat',
  'vegan',
  'noël',
  'handmade',
  'erbstück',
  'kinder',
  'büro',
  'mariage',
]);

export function socialSteps(counts: PlatformCounts): LoadStep[] {
  return [
    {
      label: 'reviews',
      rows: counts.reviews,
      sql: `
INSERT INTO reviews (id, product_id, user_id, rating, language, title, body, helpful_votes, created_at)
SELECT i, pg_temp.popular(i, 'item.product', ${counts.products}), pg_temp.anyone(i, 'review.user', ${counts.users}),
       5 - floor(5 * power(pg_temp.u(i, 'review.rating'), 3))::smallint, l,
       CASE WHEN pg_temp.u(i, 'review.title') < 0.8 THEN pg_temp.verdict(l, i) END,
       CASE WHEN pg_temp.u(i, 'review.body') < 0.65 THEN pg_temp.prose(l, i, 'review', pg_temp.n(i, 'review.length', 1, 4)) END,
       floor(60 * power(pg_temp.u(i, 'review.votes'), 8))::integer, pg_temp.season(i, 'review.at', (i - 0.5) / ${counts.reviews})
  FROM generate_series(1::bigint, ${counts.reviews}) i, LATERAL (SELECT pg_temp.language(i) AS l OFFSET 0) AS facts
ON CONFLICT (product_id, user_id) DO NOTHING`,
    },
    {
      label: 'wishlists',
      rows: counts.wishlists,
      sql: `
INSERT INTO wishlists (user_id, product_id, added_at)
SELECT pg_temp.anyone(i, 'wish.user', ${counts.users}), pg_temp.popular(i, 'wish.product', ${counts.products}),
       pg_temp.season(i, 'wish.at', (i - 0.5) / ${counts.wishlists})
  FROM generate_series(1::bigint, ${counts.wishlists}) i
ON CONFLICT DO NOTHING`,
    },
    {
      label: 'messages',
      rows: counts.messages,
      sql: `
INSERT INTO messages (id, thread_id, sender_id, recipient_id, body, sent_at, read_at)
SELECT i, encode(substr(pg_temp.noise(i / 3, 'thread'), 1, 16), 'hex')::uuid, pg_temp.anyone(i, 'message.from', ${counts.users}),
       pg_temp.popular(i, 'message.to', ${counts.users}), pg_temp.prose(pg_temp.language(i), i, 'message', pg_temp.n(i, 'message.length', 1, 5)),
       sent, CASE WHEN pg_temp.u(i, 'message.read') < 0.88 THEN sent + pg_temp.u(i, 'message.read/at') * interval '2 days' END
  FROM generate_series(1::bigint, ${counts.messages}) i,
       LATERAL (SELECT pg_temp.season(i, 'message.at', (i - 0.5) / ${counts.messages}) AS sent OFFSET 0) AS facts`,
    },
    {
      label: 'sessions',
      rows: counts.sessions,
      sql: `
INSERT INTO sessions (token_hash, user_id, ip, user_agent, started_at, expires_at)
SELECT pg_temp.noise(i, 'session'), pg_temp.popular(i, 'order.user', ${counts.users}), pg_temp.ip(i),
       CASE WHEN pg_temp.u(i, 'session.agent') < 0.95 THEN format('Mozilla/5.0 (%s) Browser/%s.0', pg_temp.pick(i, 'session.system', ARRAY['X11; Linux x86_64', 'Macintosh', 'Windows NT 10.0', 'iPhone', 'Android 15']), pg_temp.n(i, 'session.version', 110, 140)) END,
       started, started + interval '30 days'
  FROM generate_series(1::bigint, ${counts.sessions}) i,
       LATERAL (SELECT timestamptz '${epoch} 00:00+00' - power(pg_temp.u(i, 'session.at'), 2) * interval '30 days' AS started OFFSET 0) AS facts`,
    },
  ];
}

export function contentSteps(counts: PlatformCounts): LoadStep[] {
  return [
    {
      label: 'content.pages',
      rows: counts.pages,
      sql: `
INSERT INTO content.pages (id, slug, craft_id, author_id, published_at, updated_at)
SELECT i, pg_temp.pick(i, 'page', ARRAY['geschichte', 'anleitung', 'portrait', 'pflege', 'reise']) || '-' || i,
       CASE WHEN pg_temp.u(i, 'page.craft') < 0.8 THEN ${leafCraft('i')} END, pg_temp.anyone(i, 'page.author', ${counts.users}),
       CASE WHEN pg_temp.u(i, 'page.published') < 0.9 THEN pg_temp.season(i, 'page.at', (i - 0.5) / ${counts.pages}) END,
       timestamptz '${epoch} 00:00+00' - pg_temp.u(i, 'page.updated') * interval '100 days'
  FROM generate_series(1::bigint, ${counts.pages}) i`,
    },
    {
      label: 'content.translations',
      rows: counts.pages * 3,
      sql: `
INSERT INTO content.translations (page_id, language, title, body, keywords)
SELECT i, l, pg_temp.object(l, i + 9000000),
       (SELECT string_agg(pg_temp.prose(l, i * 8 + paragraph, 'page', pg_temp.n(i * 8 + paragraph, 'page.length', 3, 7)), E'\\n\\n' ORDER BY paragraph)
          FROM generate_series(1, pg_temp.n(i, 'page.paragraphs', 2, 5)) paragraph),
       ARRAY[pg_temp.pick(i, 'tag/1', ${tags}), pg_temp.pick(i, 'tag/2', ${tags})]
  FROM generate_series(1::bigint, ${counts.pages}) i, unnest(enum_range(NULL::language_code)) l`,
    },
  ];
}

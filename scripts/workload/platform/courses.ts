import { type ApplicationStatement, from, given } from '../statement.ts';

export const bookingStatements: readonly ApplicationStatement[] = [
  {
    name: 'dates of a course',
    calls: 18_000,
    sql: `SELECT id, during, seats FROM course_sessions WHERE course_id = $1 AND lower(during) >= $2 AND cancelled_at IS NULL
           ORDER BY lower(during) LIMIT 10`,
    values: from('course_sessions t', `course_id::text, '2025-06-01'`),
  },
  {
    name: 'bookings of a user',
    calls: 5_000,
    sql: `SELECT b.id, b.status, b.seats, s.during, c.title FROM bookings b JOIN course_sessions s ON s.id = b.session_id
            JOIN courses c ON c.id = s.course_id WHERE b.user_id = $1 ORDER BY b.booked_at DESC LIMIT 20`,
    values: from('bookings t', 'user_id::text'),
  },
  {
    name: 'seats that are taken',
    calls: 30_000,
    sql: `SELECT coalesce(sum(seats), 0) FROM bookings WHERE session_id = $1 AND status IN ('requested', 'confirmed')`,
    values: from('bookings t', 'session_id::text'),
  },
  {
    name: 'who waits for a seat',
    calls: 800,
    sql: `SELECT id, user_id, seats FROM bookings WHERE session_id = $1 AND status = 'waitlisted' ORDER BY booked_at`,
    values: from('bookings t', 'session_id::text'),
  },
  {
    name: 'bookings to be answered',
    calls: 700,
    sql: `SELECT id, session_id, user_id, booked_at FROM bookings WHERE status = 'requested' ORDER BY booked_at DESC LIMIT 50`,
  },
  {
    name: 'courses of a craft',
    calls: 12_000,
    sql: 'SELECT id, title, price, duration FROM courses WHERE craft_id = $1 AND language = $2 ORDER BY price LIMIT 24',
    values: from('courses t', 'craft_id::text, language::text'),
  },
  {
    name: 'courses of a craftsman',
    calls: 9_000,
    sql: 'SELECT id, title, price, language FROM courses WHERE craftsman_id = $1 ORDER BY title',
    values: from('courses t', 'craftsman_id::text'),
  },
  {
    name: 'courses of a workshop this month',
    calls: 2_000,
    sql: `SELECT s.id, s.during, c.title FROM course_sessions s JOIN courses c ON c.id = s.course_id
           WHERE s.workshop_id = $1 AND s.during && tstzrange($2, $3) AND s.cancelled_at IS NULL ORDER BY s.during`,
    values: from('course_sessions t', `workshop_id::text, '2025-06-01', '2025-07-01'`),
  },
  {
    name: 'courses with a tag',
    calls: 1_800,
    sql: `SELECT id, title, price FROM courses WHERE tags @> ARRAY['meister', $1] AND language = $2 ORDER BY price LIMIT 24`,
    values: given(['abend', 'fr'], ['ferien', 'de']),
  },
  {
    name: 'booking',
    calls: 900,
    sql: 'INSERT INTO bookings (session_id, user_id, seats) VALUES ($1, $2, 1) ON CONFLICT (session_id, user_id) DO NOTHING',
    values: from('course_sessions t', 'id::text, (1 + id % 900)::text'),
  },
  {
    name: 'booking is confirmed',
    calls: 800,
    sql: `UPDATE bookings SET status = 'confirmed' WHERE id = $1`,
    values: from('bookings t', 'id::text', `status = 'requested'`),
  },
];

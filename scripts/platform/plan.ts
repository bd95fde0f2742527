import {
  contentSteps,
  courseSteps,
  craftsmanSteps,
  productSteps,
  smallRows,
  smallSteps,
  socialSteps,
  userRoleSteps,
  userSteps,
} from './catalogue.ts';
import { auditStep, linesPerOrder, orderSteps, pageViewStep, paymentsPerOrder, type Span } from './sales.ts';
import { badOption } from './sessions.ts';

/** Rows per table that grow with the platform; the small tables (roles, crafts, settings) have what they have. */
export interface PlatformCounts {
  users: number;
  craftsmen: number;
  courses: number;
  courseSessions: number;
  bookings: number;
  products: number;
  productImages: number;
  orders: number;
  pages: number;
  reviews: number;
  wishlists: number;
  messages: number;
  sessions: number;
  auditLog: number;
  pageViews: number;
}

/** One INSERT (or what follows it), and how many rows it is expected to make: the unit of progress. */
export interface LoadStep {
  label: string;
  rows: number;
  sql: string;
}

export const defaultRows = 300_000;
export const smallestRows = 2_000;

/** The rows of each table for `rows` in all: the shares stay, from a few thousand rows to many millions. */
export function planCounts(rows: number): PlatformCounts {
  if (!Number.isSafeInteger(rows) || rows < smallestRows) {
    throw badOption(`rows must be an integer of at least ${smallestRows}, not ${rows}`);
  }
  const of = (share: number) => Math.max(12, Math.round((share / totalShare) * (rows - smallRows)));
  return {
    users: of(shares.users),
    craftsmen: of(shares.craftsmen),
    courses: of(shares.courses),
    courseSessions: of(shares.courseSessions),
    bookings: of(shares.bookings),
    products: of(shares.products),
    productImages: of(shares.products) * 2,
    orders: of(shares.orders),
    pages: of(shares.pages),
    reviews: of(shares.reviews),
    wishlists: of(shares.wishlists),
    messages: of(shares.messages),
    sessions: of(shares.sessions),
    auditLog: of(shares.auditLog),
    pageViews: of(shares.pageViews),
  };
}

const shares = {
  users: 6,
  craftsmen: 0.5,
  courses: 0.6,
  courseSessions: 2,
  bookings: 4,
  products: 4,
  orders: 9,
  pages: 0.3,
  reviews: 4,
  wishlists: 4,
  messages: 3,
  sessions: 4,
  auditLog: 20,
  pageViews: 7,
};
const totalShare =
  Object.values(shares).reduce((a, b) => a + b) +
  shares.users * 1.06 + // their roles
  shares.craftsmen + // their workshops
  shares.products * 2 + // their images
  shares.orders * (linesPerOrder + paymentsPerOrder) +
  shares.pages * 3; // their translations

/** The load as two lists of about equal work, one per connection; every row follows from its number alone. */
export function loadLanes(counts: PlatformCounts): LoadStep[][] {
  return [shopLane(counts), peopleLane(counts)];
}

/** The first `last` rows, spread over the two years before the epoch. */
function history(last: number): Span {
  return { first: 1, last, at: tag => `pg_temp.season(i, '${tag}', (i - 0.5) / ${last})` };
}

/** The same over the last year only, the second of `season`: 1.4 of 2.4 shares. */
function lastYear(last: number): Span {
  return { first: 1, last, at: tag => `pg_temp.season(i, '${tag}', 0.41667 + 0.58333 * (i - 0.5) / ${last})` };
}

function shopLane(counts: PlatformCounts): LoadStep[] {
  const isOpen = `i > ${Math.floor(counts.orders * 0.985)}`;
  return [
    ...orderSteps(history(counts.orders), counts, isOpen),
    pageViewStep(lastYear(counts.pageViews), counts),
    ...courseSteps(counts),
    ...userRoleSteps(counts),
    ...socialSteps(counts),
  ];
}

function peopleLane(counts: PlatformCounts): LoadStep[] {
  return [
    ...smallSteps(),
    ...userSteps(counts),
    auditStep(lastYear(counts.auditLog), counts),
    ...craftsmanSteps(counts),
    ...productSteps(counts),
    ...contentSteps(counts),
  ];
}

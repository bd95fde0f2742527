import type { ApplicationStatement } from '../statement.ts';
import { catalogueStatements, trafficStatements } from './catalogue.ts';
import { contentStatements, languageStatements } from './content.ts';
import { bookingStatements } from './courses.ts';
import { orderStatements } from './orders.ts';
import { accountStatements, craftsmanStatements, messageStatements } from './people.ts';

export { referenceIndexes } from './reference.ts';

/** An ordinary day of the reference platform, by what its users do. */
export const platformAreas: Readonly<Record<string, readonly ApplicationStatement[]>> = {
  'authentication and roles': accountStatements,
  'craftsman search and filters': craftsmanStatements,
  'catalogue browsing': catalogueStatements,
  orders: orderStatements,
  bookings: bookingStatements,
  'content search and categories': contentStatements,
  'multi-language content': languageStatements,
  messages: messageStatements,
  traffic: trafficStatements,
};

export const platformStatements: readonly ApplicationStatement[] = Object.values(platformAreas).flat();

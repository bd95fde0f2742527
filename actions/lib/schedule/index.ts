export { type CronFields, parseCron, type Schedule } from './cron.ts';
export { longestGapSeconds, nextFiring, previousFiring } from './firings.ts';
export { openZone, type Zone } from './zone.ts';

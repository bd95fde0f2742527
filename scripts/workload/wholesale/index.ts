export { wholesaleIndexes } from './reference.ts';
export { createWholesale } from './schema.ts';
export { wholesaleStatements } from './statements.ts';

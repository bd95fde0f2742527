export { adviceSchema, changeId, namesOf, type OfferedChange, offeredChangeSchema } from './change.ts';
export { leftoverCheck } from './checks.ts';
export { openLedger } from './ledger.ts';
export { findLeftovers, type Leftover } from './leftovers.ts';
export { type ApplyData, type ApplyInput, applyOperation } from './operation.ts';
export { optimizeDatabase } from './service.ts';
export { summary as applySummary } from './text.ts';

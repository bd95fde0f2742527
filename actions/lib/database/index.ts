export { type ApplyData, type ApplyInput, applyOperation, optimizeDatabase } from './apply/index.ts';
export { type AdviseData, type AdviseInput, createAdviseOperation, type WorkloadReader } from './offer/index.ts';

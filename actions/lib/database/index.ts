export { type ApplyData, type ApplyInput, applyOperation, optimizeDatabase } from './apply/index.ts';

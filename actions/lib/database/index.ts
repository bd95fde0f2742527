export { type ApplyData, type ApplyInput, applyOperation } from './apply/index.ts';

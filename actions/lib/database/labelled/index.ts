export { applyLabelledOperation, type LabelledInput } from './operation.ts';

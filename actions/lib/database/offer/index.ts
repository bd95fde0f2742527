export { type AdviseData, adviseDataSchema } from './data.ts';
export { issueBody } from './issue.ts';
export { type AdviseInput, createAdviseOperation, type WorkloadReader } from './operation.ts';
export { provableStatements } from './samples.ts';

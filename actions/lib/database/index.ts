export { type AdviseData, type AdviseInput, adviseOperation } from './advise-operation.ts';
export { type AnalyzeData, analyzeOperation, analyzeQueryPerformance } from './analyze/index.ts';
export { type ApplyData, type ApplyInput, applyOperation, optimizeDatabase } from './apply/index.ts';
export { type CleanupData, type CleanupInput, cleanDatabase, cleanupOperation } from './cleanup/index.ts';
export { type ConnectionsData, connectionsOperation, getConnectionPoolStatus } from './connections/index.ts';
export { applyLabelledOperation, type LabelledInput } from './labelled/index.ts';
export { type MaintainData, type MaintainInput, maintainDatabase, maintainOperation } from './maintain/index.ts';

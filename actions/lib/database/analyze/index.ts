export { analyzeOperation } from './analyze.ts';
export type { AnalyzeData } from './data.ts';
export { analyzeQueryPerformance } from './service.ts';

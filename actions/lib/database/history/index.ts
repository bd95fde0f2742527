export { type DatabaseHistory, openHistory } from './reports.ts';
export { dailyGrowth, type Point, type Saturation, saturation, theilSen } from './trend.ts';

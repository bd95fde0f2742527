export { dailyGrowth, type Point, saturation, theilSen } from './trend.ts';

export { type RgbPixels, smallestSide, ssimulacra2 } from './metric.ts';

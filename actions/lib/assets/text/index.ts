export { isCompressible, suffixOf, textKindOf } from './kind.ts';
export { optimizeText } from './optimize.ts';
export {
  type LeftCode,
  type TextFile,
  type TextKind,
  type TextOutcome,
  type TextSettings,
  textKinds,
} from './outcome.ts';
export { createTextPool, type TextDone, type TextJob, type TextPool } from './pool.ts';
export { type Encoding, encodingSuffix, encodings, type PrecompressSettings, precompress } from './precompress.ts';
export { mapFileOf } from './source-map.ts';
export { textTools, textToolVersion } from './version.ts';

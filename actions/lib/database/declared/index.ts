export { type DeclaredIndex, declaredIndex } from './definition.ts';
export { type Drift, driftCheck, findDrift } from './drift.ts';

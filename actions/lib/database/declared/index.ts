export { type DeclaredIndex, declaredIndex } from './definition.ts';
export { compareDeclared, type Drift } from './drift.ts';
export { driftCheck, unknownDriftCheck } from './drift-check.ts';
export { readDrift } from './read-drift.ts';

export { type DeclaredIndex, declaredIndex } from './definition.ts';
export { compareDeclared, type Drift, driftCheck } from './drift.ts';
export { readDrift } from './read-drift.ts';

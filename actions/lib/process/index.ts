export { type Child, type ChildOutcome, type ChildSpec, startChild } from './child.ts';
export { childEnvironment } from './environment.ts';
export { isProcessAlive, thisMachine } from './machine.ts';
export { maxCollectedBytes, type RunResult, type RunSpec, runChild } from './run.ts';

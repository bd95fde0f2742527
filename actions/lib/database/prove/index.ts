export { CopySession } from './copy-session.ts';
export { type Change, judge, savedShare } from './judge.ts';
export type { Measurement } from './measurement.ts';
export { type IndexRef, type ProposedIndex, type ProvableStatement, refKey, refOf, type Values } from './provable.ts';
export { type ProveOptions, proveIndexes, type Writes, writtenMsOf } from './prove.ts';
export { giveToProver } from './prover-role.ts';
export type { Build, IndexProof, Proof, RemovalProof, StatementProof } from './result.ts';
export type { WriteCost, WriteTimes } from './write-cost.ts';

export {
  type ClientTools,
  type FindToolsOptions,
  findClientTools,
  findServerTools,
  type ServerTools,
} from './binaries.ts';
export { type ConnectOptions, connect, withoutTimeLimits } from './connect.ts';
export { copyIn } from './copy-in.ts';
export { type CopyBuffers, type CopyOutOptions, type CopyOutResult, copyOut, createCopyBuffers } from './copy-out.ts';
export { pgError } from './errors.ts';
export { type ServerFacts, serverFacts } from './facts.ts';
export { libpqEnv } from './libpq.ts';
export { clientProgram, workFailure } from './loss.ts';
export { assertHoldsSnapshot, isBehindPooler } from './pooler.ts';
export { quoteIdent, quoteLiteral, quoteQualified } from './quote.ts';
export { type PostgresTarget, parsePostgresUrl, withDatabase, withUser } from './target.ts';
export { startThrowawayServer, type ThrowawayOptions, type ThrowawayServer } from './throwaway.ts';

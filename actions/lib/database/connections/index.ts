export { connectionsOperation, getConnectionPoolStatus } from './connections.ts';
export type { ConnectionsData } from './data.ts';

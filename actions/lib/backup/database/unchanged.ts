import type pg from 'pg';
import { quoteQualified } from '../../postgres/index.ts';
import type { Slice } from '../sets/manifest.ts';
import type { TableFacts } from './catalog.ts';
import type { SlicePlan } from './plan.ts';

/**
 * Whether a block range holds exactly the rows that a former snapshot saw in it.
 *
 * Let S be the former snapshot and xmin(S) its oldest running transaction. A row version visible now and not in S was
 * made by a transaction that S did not see, so its xmin is at least xmin(S). If no visible version has such an xmin,
 * every version visible now was visible in S; if they are also as many as S saw, they are the same ones. Both counts
 * come from one scan that reads neither TOAST nor columns.
 *
 * It holds while the heap file is the same (the table's signature has its file node), and while less than 2^31
 * transactions lie between, since a row stores only 32 bits of its xmin: the caller checks that with `canCompare`.
 * Freezing keeps the stored xmin since PostgreSQL 9.4. A false alarm only sends the range again. Lost transactions (a
 * point-in-time recovery, a failover that lost the end) reuse ids: hence the timeline in `canCompare`.
 */
export async function isUnchanged(
  client: pg.Client,
  table: TableFacts,
  planned: SlicePlan,
  former: Slice,
  formerXmin: bigint,
): Promise<boolean> {
  const xid = Number(formerXmin & 0xffffffffn);
  const { rows } = await client.query<{ visible: string; newer: string }>(
    `select count(*) as visible, count(*) filter (where age(o.xmin) <= age('${xid}'::xid)) as newer
       from only ${quoteQualified(table.schema, table.name)} as o${blockRange(planned)}`,
  );
  return Number(rows[0]!.visible) === former.rows && Number(rows[0]!.newer) === 0;
}

export interface SnapshotPoint {
  systemIdentifier: string | null;
  timeline: number | null;
  databaseOid: string;
  /** 64 bit, with epoch. */
  snapshotXmin: bigint;
}

/** Whether transaction ids of two snapshots of one database can be compared at all; gives the reason when not. */
export function canCompare(former: SnapshotPoint, now: SnapshotPoint & { nextXid: bigint }): true | string {
  if (former.systemIdentifier === null || now.systemIdentifier === null) return 'the server does not tell its identity';
  if (former.systemIdentifier !== now.systemIdentifier) return 'it is of another server';
  if (former.databaseOid !== now.databaseOid) return 'the database was made anew';
  if (former.timeline === null || former.timeline !== now.timeline) return 'the server was recovered or failed over';
  if (now.snapshotXmin < former.snapshotXmin) return 'transaction ids went back';
  if (now.nextXid - former.snapshotXmin >= 2n ** 31n) return 'more than 2^31 transactions lie between';
  // Ids 0 to 2 are not transactions: age() says they are infinitely old.
  if (Number(former.snapshotXmin & 0xffffffffn) < 3) return 'transaction ids are wrapping round';
  return true;
}

/** ` where …` for a range of heap blocks, or nothing for the whole relation. */
export function blockRange(slice: SlicePlan): string {
  const conditions: string[] = [];
  if (slice.firstBlock !== null && slice.firstBlock > 0) conditions.push(`o.ctid >= '(${slice.firstBlock},0)'::tid`);
  if (slice.endBlock !== null) conditions.push(`o.ctid < '(${slice.endBlock},0)'::tid`);
  return conditions.length > 0 ? ` where ${conditions.join(' and ')}` : '';
}

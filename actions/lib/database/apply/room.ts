import { setTimeout as wait } from 'node:timers/promises';
import type { RunContext } from './concurrent.ts';
import { findObstacles, type Obstacle } from './obstacles.ts';
import { Deferred, Refused } from './outcome.ts';
import { judgeBefore, readPressure } from './pressure.ts';

export interface Room {
  tableOid: string;
  tableName: string;
  neededBytes: number;
  /** Which obstacles count: a drop does not wait for snapshots. */
  counts(obstacle: Obstacle): boolean;
}

/**
 * Waits until nothing is in the way that a build would wait for, and no replica is behind; at most so long as patience
 * goes. What nobody could look at is added to `notGuarded`.
 * @throws Deferred with what was in the way; Refused when the disk has no room
 */
export async function waitForRoom(context: RunContext, room: Room, notGuarded: Set<string>): Promise<void> {
  const { sessions, options, log, signal } = context;
  const deadline = Date.now() + options.patienceSeconds * 1000;
  let said = '';
  for (;;) {
    signal.throwIfAborted();
    const pressure = await readPressure(sessions.control(), sessions.target, options);
    for (const line of pressure.unseen) notGuarded.add(line);
    const verdict = judgeBefore(pressure, room.neededBytes, options);
    if (verdict.kind === 'stop') throw new Refused(verdict.reason);
    const pids = [sessions.workPid(), await controlPid(context)];
    const { found, unseen } = await findObstacles(sessions.control(), room.tableOid, {
      pids,
      oldTransactionSeconds: options.oldTransactionSeconds,
    });
    if (unseen) notGuarded.add(unseen);
    const [obstacle] = found.filter(room.counts);
    const inTheWay = verdict.kind === 'wait' ? verdict.reason : obstacle?.text;
    if (inTheWay === undefined) return;
    if (Date.now() >= deadline) throw new Deferred(inTheWay);
    const key = `${obstacle?.kind} ${obstacle?.pid}`;
    if (said !== key) log.info(`${room.tableName}: waiting, because ${inTheWay}`);
    said = key;
    await wait(options.pollSeconds * 1000 * (0.75 + Math.random() / 2), undefined, { signal });
  }
}

async function controlPid({ sessions }: RunContext): Promise<number> {
  const { rows } = await sessions.control().query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  return rows[0]!.pid;
}

import { formatDuration } from '../../../log/index.ts';
import { quoteLiteral } from '../../../postgres/index.ts';
import { redactStatement } from '../../workload/redact.ts';
import type { ActivityFacts } from '../facts/activity.ts';
import { type Finding, type HealthCheck, worst } from './check.ts';

export const longTransactions: HealthCheck = {
  id: 'database.transactions.long',
  unit: 'seconds',
  title: 'long transactions',
  meaning:
    'Rows that die after a transaction began stay until it ends, in every table: nothing is vacuumed, and indexes cannot be built concurrently. It holds its locks for as long.',
  needs: ['activity'],
  judge({ activity }, { config }) {
    const limit = config.thresholds.longTransaction;
    // Those that do nothing at all have a check of their own.
    const open = activity.filter(session => session.transactionSeconds !== null && !isIdle(session));
    return judged(
      open,
      session => session.transactionSeconds!,
      limit,
      session => `runs a transaction for ${formatDuration(session.transactionSeconds!)}`,
    );
  },
};

export const idleTransactions: HealthCheck = {
  id: 'database.transactions.idle',
  unit: 'seconds',
  title: 'transactions that are open and idle',
  meaning:
    'The application began a transaction and went away: waiting for a service, an exception without ROLLBACK, a debugger. Locks stay, and VACUUM cannot remove what died since.',
  needs: ['activity'],
  judge({ activity }, { config }) {
    const limit = config.thresholds.idleInTransaction;
    const idle = activity.filter(isIdle);
    return judged(
      idle,
      session => session.stateSeconds ?? 0,
      limit,
      session => `has been idle in a transaction for ${formatDuration(session.stateSeconds ?? 0)}`,
    );
  },
};

export const preparedTransactions: HealthCheck = {
  id: 'database.transactions.prepared',
  unit: 'seconds',
  title: 'prepared transactions that nobody finishes',
  meaning: 'A two-phase commit that stopped half-way. It holds its locks and holds VACUUM back, also across restarts.',
  needs: ['prepared'],
  judge({ prepared }, { config }) {
    const limit = config.thresholds.preparedTransaction;
    const findings = prepared
      .filter(({ seconds }) => seconds >= limit)
      .map(
        ({ gid, owner, database, seconds }): Finding => ({
          subject: quoteLiteral(gid),
          severity: 'warning',
          value: seconds,
          message: `The prepared transaction ${quoteLiteral(gid)} of ${owner} in ${database} is ${formatDuration(seconds)} old`,
          mend: [`ROLLBACK PREPARED ${quoteLiteral(gid)};`],
        }),
      );
    return worst(Math.max(0, ...prepared.map(({ seconds }) => seconds)), limit, findings);
  },
};

export const blockedSessions: HealthCheck = {
  id: 'database.blocked',
  unit: 'seconds',
  title: 'sessions that wait for a lock',
  meaning:
    'Who stands at the end of the chain holds up all the others. A waiting ALTER TABLE also blocks those that come after it, reads included.',
  needs: ['activity'],
  judge({ activity }, { config }) {
    const limit = config.thresholds.blocked;
    const waiting = activity.filter(({ blockedBy }) => blockedBy.length > 0);
    const chains = blockingChains(activity);
    const findings = chains
      .filter(({ longestSeconds }) => longestSeconds >= limit)
      .map(
        ({ root, blocked, longestSeconds, lines }): Finding => ({
          subject: `pid ${root.pid}`,
          severity: 'critical',
          value: longestSeconds,
          message: `${describe(root)} blocks ${blocked === 1 ? 'one session' : `${blocked} sessions`}, the longest for ${formatDuration(longestSeconds)}: ${lines.join('; ')}`,
          mend: [`SELECT pg_terminate_backend(${root.pid});`],
        }),
      );
    return worst(Math.max(0, ...waiting.map(waitSeconds)), limit, findings);
  },
};

export interface BlockingChain {
  root: ActivityFacts;
  /** Sessions behind it, at any distance. */
  blocked: number;
  longestSeconds: number;
  /** Who waits for whom: `12 waits for 7 (Lock: transactionid)`. */
  lines: string[];
}

/** The trees of who blocks whom, by those who wait for nobody; a ring (a deadlock about to be found) counts from its oldest. */
export function blockingChains(activity: readonly ActivityFacts[]): BlockingChain[] {
  const byPid = new Map(activity.map(session => [session.pid, session]));
  const waiting = activity.filter(({ blockedBy }) => blockedBy.some(pid => byPid.has(pid)));
  const behind = (pid: number) => waiting.filter(({ blockedBy }) => blockedBy.includes(pid));
  const holders = new Set(waiting.flatMap(({ blockedBy }) => blockedBy));
  const roots = [...holders].filter(pid => byPid.has(pid) && !waiting.some(session => session.pid === pid));
  const seen = new Set<number>();
  const chains: BlockingChain[] = [];
  const follow = (rootPid: number) => {
    const members: ActivityFacts[] = [];
    const queue = [rootPid];
    const inChain = new Set(queue);
    while (queue.length > 0) {
      for (const session of behind(queue.shift()!)) {
        if (inChain.has(session.pid)) continue;
        inChain.add(session.pid);
        members.push(session);
        queue.push(session.pid);
      }
    }
    for (const pid of inChain) seen.add(pid);
    chains.push({
      root: byPid.get(rootPid)!,
      blocked: members.length,
      longestSeconds: Math.max(0, ...members.map(waitSeconds)),
      lines: members.map(
        ({ pid, blockedBy, waitsFor }) => `${pid} waits for ${blockedBy.join(', ')} (${waitsFor ?? 'a lock'})`,
      ),
    });
  };
  for (const pid of roots) follow(pid);
  for (const { pid } of waiting) if (!seen.has(pid)) follow(pid);
  return chains.sort((a, b) => b.blocked - a.blocked);
}

/** How long it waits is not recorded before 14; that its statement runs so long is the most it can be. */
function waitSeconds({ statementSeconds, stateSeconds }: ActivityFacts): number {
  return statementSeconds ?? stateSeconds ?? 0;
}

function isIdle({ state }: ActivityFacts): boolean {
  return state === 'idle in transaction' || state === 'idle in transaction (aborted)';
}

function judged(
  sessions: readonly ActivityFacts[],
  seconds: (session: ActivityFacts) => number,
  limit: number,
  says: (session: ActivityFacts) => string,
) {
  const findings = sessions
    .filter(session => seconds(session) >= limit)
    .map(
      (session): Finding => ({
        subject: `pid ${session.pid}`,
        severity: 'warning',
        value: seconds(session),
        message: `${describe(session)} ${says(session)}: ${redactStatement(session.query)}`,
        mend: [`SELECT pg_terminate_backend(${session.pid});`],
      }),
    );
  return worst(Math.max(0, ...sessions.map(seconds)), limit, findings);
}

function describe({ pid, user, database, application }: ActivityFacts): string {
  const of = [
    user ?? 'somebody',
    ...(database ? [`in ${database}`] : []),
    ...(application ? [`(${application})`] : []),
  ];
  return `Session ${pid} of ${of.join(' ')}`;
}

import { formatBytes, formatCount, formatDuration } from '../../../log/index.ts';
import { quoteLiteral } from '../../../postgres/index.ts';
import { counted, type Finding, type HealthCheck, worst } from './check.ts';

export const replicationLag: HealthCheck = {
  id: 'database.replication.lag',
  unit: 'seconds',
  title: 'replicas that are behind',
  meaning:
    'What a replica has not replayed is missing from what it answers, and lost when the primary is lost now. Causes: a long query on it, its disk, the network, a burst of writes.',
  needs: ['replicas', 'ownLag'],
  judge(facts, { config }) {
    const { replicationLag: limit, replicationLagBytes: limitBytes } = config.thresholds;
    const lags = [
      ...facts.replicas.map(({ name, lagSeconds, lagBytes }) => ({ name, seconds: lagSeconds, bytes: lagBytes })),
      ...(facts.isInRecovery ? [{ name: 'this replica', ...facts.ownLag }] : []),
    ];
    const findings = lags
      .filter(({ seconds, bytes }) => (seconds ?? 0) >= limit || (bytes ?? 0) >= limitBytes)
      .map(
        ({ name, seconds, bytes }): Finding => ({
          subject: name,
          severity: 'warning',
          value: seconds ?? 0,
          message: `${name} is ${formatDuration(seconds ?? 0)} and ${formatBytes(bytes ?? 0)} behind`,
          mend: [],
        }),
      );
    return worst(lags.length === 0 ? null : Math.max(0, ...lags.map(({ seconds }) => seconds ?? 0)), limit, findings);
  },
};

export const replicationSlots: HealthCheck = {
  id: 'database.replication.slots',
  unit: 'slots',
  title: 'replication slots that hold things back',
  meaning:
    'A slot keeps the WAL its consumer has not read, without limit unless max_slot_wal_keep_size is set, until the disk is full. A logical one holds VACUUM back as well. One that lost its WAL is of no use any more.',
  needs: ['slots'],
  judge({ slots }, { config }) {
    const limit = config.thresholds.slotRetainedBytes;
    const findings = slots.flatMap(
      ({ name, kind, isActive, isTemporary, retainedBytes, walStatus, xminAge }): Finding[] => {
        const retained = retainedBytes ?? 0;
        const isLost = walStatus === 'lost' || walStatus === 'unreserved';
        if (isTemporary || (isActive && !isLost && retained < limit)) return [];
        // A slot that was made in advance, and never used, keeps nothing.
        if (!isActive && !isLost && retainedBytes === null && xminAge === null) return [];
        const state = isLost
          ? `has lost WAL that it needs (${walStatus})`
          : `is ${isActive ? 'behind' : 'inactive'} and keeps ${formatBytes(retained)} of WAL`;
        const held = xminAge === null ? '' : `, and rows that died in the last ${formatCount(xminAge)} transactions`;
        return [
          {
            subject: name,
            severity: retained >= limit || isLost ? 'critical' : 'warning',
            value: retained,
            message: `The ${kind} slot ${quoteLiteral(name)} ${state}${held}`,
            mend: isActive ? [] : [`SELECT pg_drop_replication_slot(${quoteLiteral(name)});`],
          },
        ];
      },
    );
    return counted(findings);
  },
};

import type { OfferedChange } from '../../../actions/lib/database/apply/index.ts';
import { type AdviseData, adviseDataSchema } from '../../../actions/lib/database/offer/index.ts';
import type { Report } from '../../../actions/lib/reports/index.ts';

/** An advice that offers these changes, as `advise` makes it. */
export function adviceOf(changes: readonly OfferedChange[], more: Partial<AdviseData> = {}): AdviseData {
  return adviseDataSchema.parse({
    database: 'shop',
    target: 'shop on db.example.org',
    copy: {
      kind: 'restored',
      setId: '20261124T020000Z-0001',
      snapshotAt: '2026-11-24T02:00:00.000Z',
      storage: 'local',
      verdict: 'PROVED',
    },
    workload: { statements: 3, totalMs: 60_000, windowSeconds: 86_400 },
    search: { evaluator: 'hypopg', whatIfCalls: 40, candidates: 12, usefulCandidates: 4, budgetBytes: 500_000_000 },
    totalMsAfter: 9_000,
    proofSeconds: 12,
    indexes: changes.flatMap(change => {
      if (!('definition' in change)) return [];
      return {
        id: change.id,
        schema: change.definition.schema,
        table: change.definition.table,
        name: 'an_index',
        sql: change.sql[0],
        verdict: 'offered',
        why: 'one statement is faster by it, 51.0 s of the workload',
        reason: 'equality',
        estimatedBytes: 1_000_000,
        bytes: 1_200_000,
        buildSeconds: 0.4,
        savedMs: 51_000,
        users: ['aabbccdd00112233'],
        write: null,
      };
    }),
    removals: [],
    statements: [
      {
        fingerprint: 'aabbccdd00112233',
        text: 'select total from orders where customer_id = $1',
        calls: 900,
        totalMs: 55_000,
        parameters: 'sampled',
        samples: 3,
        outcome: 'faster',
        why: null,
        beforeMs: 61,
        afterMs: 0.4,
        isBeforeLimit: false,
        beforeBuffers: 2_400,
        afterBuffers: 12,
        reads: ['an_index'],
      },
    ],
    drift: [],
    changes,
    notes: [],
    ...more,
  });
}

/** The report that such an advice is kept in. */
export function adviceReport<Data>(data: Data): Report<Data> {
  return {
    schema: 'production-ops/report/1',
    kind: 'database.advise',
    id: '20261124T040000Z-0001',
    platform: 'shop',
    status: 'ok',
    startedAt: '2026-11-24T04:00:00.000Z',
    finishedAt: '2026-11-24T04:01:00.000Z',
    trigger: { event: 'terminal' },
    run: null,
    tool: { version: '0.1.0', node: '24.0.0' },
    checks: [],
    error: null,
    data,
  };
}

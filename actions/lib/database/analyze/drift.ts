import type { DatabaseConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import { type Drift, readDrift } from '../declared/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import type { HealthData } from './data.ts';

/** Whether the declared indexes are there; nothing when none is declared. What keeps it from being known is a note. */
export async function driftHealth(session: DatabaseSession, config: DatabaseConfig): Promise<HealthData[]> {
  const health = {
    id: 'database.indexes.drift',
    title: 'differences from the declared indexes',
    meaning:
      'The database has not the indexes that database.indexes declares: one of the two is out of date. What is missing is built by: ops database apply --declared.',
    unit: 'indexes',
    threshold: 0,
    findingsLeftOut: 0,
  };
  try {
    const drift = await readDrift(session, config);
    if (!drift) return [];
    const note = drift.length === 0 ? `All ${config.indexes.length} declared indexes are there` : null;
    const findings = drift.map(findingOf);
    return [{ ...health, status: drift.length === 0 ? 'ok' : 'warning', value: drift.length, note, findings }];
  } catch (thrown) {
    if (!(thrown instanceof OpsError) || ['PG_LOST', 'CANCELLED'].includes(thrown.code)) throw thrown;
    return [{ ...health, status: 'unknown', value: null, note: `not known: ${thrown.message}`, findings: [] }];
  }
}

function findingOf({ schema, name, why, sql }: Drift): HealthData['findings'][number] {
  return {
    subject: quoteQualified(schema, name),
    severity: 'warning',
    value: 1,
    message: why,
    mend: sql.map(statement => `${statement};`),
  };
}

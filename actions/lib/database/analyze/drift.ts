import type { DatabaseConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import type { Check } from '../../reports/index.ts';
import { type Drift, driftCheck, readDrift, unknownDriftCheck } from '../declared/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import type { HealthData } from './data.ts';

/** A check of the report, and what it is about at length. */
export interface DriftHealth {
  check: Check;
  health: HealthData;
}

/** Whether the declared indexes are there; nothing when none is declared. What keeps it from being known is a note. */
export async function driftHealth(session: DatabaseSession, config: DatabaseConfig): Promise<DriftHealth[]> {
  try {
    const drift = (await readDrift(session, config)) ?? [];
    return driftCheck(drift, config.indexes.length, session.database).map(check => withFindings(check, drift));
  } catch (thrown) {
    if (!(thrown instanceof OpsError) || ['PG_LOST', 'CANCELLED'].includes(thrown.code)) throw thrown;
    return [withFindings(unknownDriftCheck(thrown.message, session.database), [])];
  }
}

function withFindings(check: Check, drift: readonly Drift[]): DriftHealth {
  const { id, status, value, threshold, unit, message } = check;
  return {
    check,
    health: {
      id,
      title: 'differences from the declared indexes',
      meaning:
        'The database has not the indexes that database.indexes declares: one of the two is out of date. What is missing is built by: ops database apply --declared.',
      status,
      value,
      threshold,
      unit,
      note: drift.length === 0 ? message : null,
      findings: drift.map(findingOf),
      findingsLeftOut: 0,
    },
  };
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

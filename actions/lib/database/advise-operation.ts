import { createAdviseOperation } from './offer/index.ts';
import { readWorkloadStatements } from './workload/index.ts';

export type { AdviseData, AdviseInput } from './offer/index.ts';

/** The index advice, for the workload that production itself counts (`pg_stat_statements`). */
export const adviseOperation = createAdviseOperation(readWorkloadStatements);

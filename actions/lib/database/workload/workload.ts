import type { DatabaseSession } from '../session/index.ts';
import { type MeasuredStatement, measureStatements } from './group.ts';
import { readStatements, type StatementsProblem } from './read-statements.ts';

/** The workload of this database for advice: what reads and writes tables of users, the costliest first. */
export async function readWorkloadStatements(
  session: DatabaseSession,
): Promise<{ statements: MeasuredStatement[]; problem: StatementsProblem | undefined }> {
  const { statements, problem } = await readStatements(session);
  if (!statements) return { statements: [], problem };
  const measured = await measureStatements(statements.statements);
  return {
    statements: measured.filter(({ kind, isSystem }) => kind !== 'utility' && kind !== 'unread' && !isSystem),
    problem: undefined,
  };
}

import { basename } from 'node:path';
import { restoreDatabaseOperation, restoreFilesOperation } from '../lib/backup/index.ts';
import { OpsError } from '../lib/errors/index.ts';
import { parsePostgresUrl } from '../lib/postgres/index.ts';
import { restoreInputs, runAction, step } from '../lib/run/action.ts';

await runAction(restoreInputs, (inputs, env) => {
  const isDatabase = inputs.what === 'database';
  const to = isDatabase ? env.RESTORE_DATABASE_URL?.trim() : inputs.to;
  if (!to) throw missingTarget(isDatabase);
  const name = isDatabase ? parsePostgresUrl(to).database : basename(to);
  if (!inputs['dry-run'] && inputs.confirm !== name) throw notConfirmed(name, inputs.confirm);
  return [
    step(
      isDatabase ? restoreDatabaseOperation : restoreFilesOperation,
      {
        id: inputs.set,
        source: inputs.source,
        from: undefined,
        to,
        jobs: inputs.jobs,
        tables: inputs.tables,
        force: inputs.force,
        withRoles: inputs.roles,
        noOwner: inputs['no-owner'],
        dryRun: inputs['dry-run'],
      },
      data => ({ 'set-id': data.set.id }),
    ),
  ];
});

function missingTarget(isDatabase: boolean): OpsError {
  return new OpsError('CONFIG_MISSING_VALUE', `Where to restore to is not set`, {
    hint: isDatabase
      ? 'Set RESTORE_DATABASE_URL in env, from a secret: it holds a password, so it is not an input.'
      : "Set the input 'to' to an empty folder.",
    exit: 'usage',
  });
}

/** A button that overwrites a database must not be pressed by accident. */
function notConfirmed(name: string, typed: string | undefined): OpsError {
  return new OpsError(
    'RESTORE_NOT_CONFIRMED',
    `The target is called '${name}', and the input 'confirm' ${typed ? `says '${typed}'` : 'is empty'}`,
    {
      hint: `Set confirm to '${name}' to restore into it, or dry-run to true to see what would be done.`,
      exit: 'usage',
    },
  );
}

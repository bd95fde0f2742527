import {
  adviseOperation,
  analyzeOperation,
  applyLabelledOperation,
  applyOperation,
  cleanupOperation,
  connectionsOperation,
  maintainOperation,
} from '../lib/database/index.ts';
import { databaseInputs, runAction, step } from '../lib/run/action.ts';

const none = { findings: '', 'used-ratio': '', offered: '', applied: '', 'deleted-rows': '', analyzed: '' };
const ids = (list: readonly { id: string }[]) => JSON.stringify(list.map(({ id }) => id));

await runAction(databaseInputs, (inputs, env) => {
  const dryRun = inputs['dry-run'];
  const applied = ({ changes }: { changes: { id: string; status: string }[] }) => {
    return { ...none, applied: ids(changes.filter(({ status }) => status === 'done')) };
  };
  switch (inputs.mode) {
    case 'analyze':
      return [
        step(analyzeOperation, {}, ({ health }) => {
          const count = health.reduce(
            (sum, { findings, findingsLeftOut }) => sum + findings.length + findingsLeftOut,
            0,
          );
          return { ...none, findings: String(count) };
        }),
      ];
    case 'connections':
      return [step(connectionsOperation, {}, data => ({ ...none, 'used-ratio': data.usedRatio.toFixed(3) }))];
    case 'advise': {
      // A copy is a database like another: its URL is a secret, and no input.
      const on = env.ADVISE_COPY_URL?.trim() || undefined;
      const given = {
        set: inputs.set,
        source: inputs.source,
        budgetBytes: inputs.budget,
        issue: inputs['write-issue'],
      };
      return [step(adviseOperation, { on, ...given }, ({ changes }) => ({ ...none, offered: ids(changes) }))];
    }
    case 'apply': {
      if (inputs.issue !== undefined) {
        const label = inputs.label ?? '';
        return [step(applyLabelledOperation, { issue: inputs.issue, label, dryRun }, applied)];
      }
      const chosen = { ids: inputs.indexes, reindex: inputs.reindex, declared: inputs.declared, mend: inputs.mend };
      return [step(applyOperation, { report: 'latest', ...chosen, dryRun, chosenBy: inputs['chosen-by'] }, applied)];
    }
    case 'cleanup':
      return [
        step(cleanupOperation, { dryRun }, ({ rules }) => {
          return { ...none, 'deleted-rows': String(rules.reduce((sum, rule) => sum + rule.deletedRows, 0)) };
        }),
      ];
    case 'maintain':
      return [
        step(maintainOperation, { dryRun }, ({ analyzed }) => {
          return { ...none, analyzed: String(analyzed.filter(({ status }) => status === 'done').length) };
        }),
      ];
  }
});

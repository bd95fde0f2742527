import { drillOperation } from '../lib/backup/index.ts';
import { drillInputs, runAction, step } from '../lib/run/action.ts';

await runAction(drillInputs, inputs => [
  step(
    drillOperation,
    { id: inputs.set, kind: inputs.kind, source: inputs.source, from: undefined },
    ({ verdict, rtoSeconds, rpoSeconds }) => ({
      verdict,
      // A restore that did not succeed has no recovery time.
      'rto-seconds': verdict === 'PROVED' ? rtoSeconds.toFixed(1) : '',
      'rpo-seconds': rpoSeconds.toFixed(1),
    }),
  ),
]);

import { auditOperation, purgeOperation } from '../lib/cdn/index.ts';
import { cdnInputs, runAction, step } from '../lib/run/action.ts';

await runAction(cdnInputs, inputs => {
  if (inputs.command === 'audit') {
    return [
      step(auditOperation, { pages: inputs.paths, zone: inputs.zone }, ({ findings }) => ({
        calls: '',
        fresh: '',
        findings: String(findings.length),
      })),
    ];
  }
  return [
    step(
      purgeOperation,
      {
        paths: inputs.paths,
        zone: inputs.zone,
        hosts: inputs.hosts,
        tags: inputs.tags,
        isEverything: inputs.everything === 'everything',
        isSoft: inputs.soft,
        changedSince: inputs['changed-since'],
        build: inputs.build,
        isVerified: inputs.verify,
        dryRun: inputs['dry-run'],
      },
      ({ calls, verified }) => ({
        calls: String(calls.length),
        fresh: String(verified.filter(({ freshness }) => freshness === 'fresh').length),
        findings: '',
      }),
    ),
  ];
});

import { failedRun, type Runbook, type Runbooks } from './runbook.ts';

const check = 'npm run ops -- assets check';

function finding(title: string, meaning: string, ...steps: string[]): () => Runbook {
  return () => ({ title, meaning, steps, commands: [check] });
}

/** How heavy the assets of the site are. */
export const assetsRunbooks: Runbooks = {
  'assets.images': finding(
    'Images are heavier than they need to be',
    'At the perceptual target they could be smaller by more than `assets.check` allows.',
    'Merge the pull request that `assets.yml` opens, or let `ops assets optimize --in-place` write them and commit the result.',
  ),
  'assets.files': finding(
    'Assets could not be read',
    'Files are truncated, of another type than their name, or invalid. They were left as they are.',
    'The report names each with its reason. Replace the file, or leave it out with `assets.exclude`.',
  ),
  'assets.budget': finding(
    'A budget of the assets is broken',
    'What visitors load is heavier than `assets.budgets` of `.github/ops.yml` allows.',
    'The report lists the heaviest files. Make them smaller, or raise the budget on purpose.',
  ),
  'assets.bytes': finding(
    'The assets weigh too much',
    'The total of all files is beyond its threshold.',
    'The report lists totals by type and the heaviest files.',
  ),
  'assets.check.run': () => failedRun('The check of the assets', check, undefined),
  'assets.optimize.run': () => failedRun('The optimisation of the assets', undefined, 'assets.yml'),
};

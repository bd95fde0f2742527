import { formatBytes, formatCount, formatRatio } from '../log/index.ts';
import type { Check } from '../reports/index.ts';
import type { BudgetVerdict } from './budgets.ts';
import type { AssetsData, HeavyRule } from './data.ts';

/** What is measured, and what breaks a rule. */
export function checksOf(data: AssetsData, budgets: readonly BudgetVerdict[], rule: HeavyRule): Check[] {
  return [weight(data), images(data, rule), files(data), ...budgetChecks(budgets)];
}

function weight({ files: count, bytes, savedBytes, possibleBytes }: AssetsData): Check {
  const now = bytes - savedBytes;
  const could = possibleBytes > 0 ? `, ${formatBytes(possibleBytes)} of it could go` : '';
  return {
    id: 'assets.bytes',
    status: 'ok',
    value: now,
    threshold: null,
    unit: 'bytes',
    message: `${formatCount(count)} files weigh ${formatBytes(now)}${could}`,
  };
}

function images({ heavyImages, changes }: AssetsData, { savingRatio }: HeavyRule): Check {
  const base = { id: 'assets.images', value: heavyImages, threshold: 0, unit: 'images' };
  if (heavyImages === 0) {
    return { ...base, status: 'ok', message: `No image could be ${formatRatio(savingRatio)} smaller at the target` };
  }
  const worst = changes.find(({ isHeavy, isTaken }) => isHeavy && !isTaken);
  if (!worst) {
    // The list holds the largest savings, and these were taken.
    const message = `${formatCount(heavyImages)} images could be ${formatRatio(savingRatio)} smaller at the target`;
    return { ...base, status: 'warning', message };
  }
  const share = formatRatio(1 - worst.after / worst.before);
  const others = heavyImages > 1 ? `, and ${formatCount(heavyImages - 1)} more` : '';
  return {
    ...base,
    status: 'warning',
    message: `${worst.path} could be ${share} smaller at the target (${formatBytes(worst.before)} → ${formatBytes(worst.after)})${others}`,
  };
}

function files({ damagedFiles, left }: AssetsData): Check {
  const base = { id: 'assets.files', value: damagedFiles, threshold: 0, unit: 'files' };
  const worst = left.find(file => file.isDamaged);
  if (damagedFiles === 0 || !worst) return { ...base, status: 'ok', message: 'No file is damaged or unreadable' };
  const others = damagedFiles > 1 ? `, and ${formatCount(damagedFiles - 1)} more are damaged or unreadable` : '';
  return { ...base, status: 'warning', message: `${worst.path}: ${worst.reason}${others}` };
}

const mostBroken = 20;

/** One for each that is broken; one for all when none is. */
function budgetChecks(verdicts: readonly BudgetVerdict[]): Check[] {
  if (verdicts.length === 0) return [];
  const broken = verdicts
    .filter(({ isBroken }) => isBroken)
    .sort((a, b) => b.bytes / (b.limitBytes || 1) - a.bytes / (a.limitBytes || 1));
  if (broken.length === 0) {
    const message = `All ${formatCount(verdicts.length)} budgets are kept`;
    return [{ id: 'assets.budget', status: 'ok', value: 0, threshold: 0, unit: 'bytes', message }];
  }
  const checks = broken.slice(0, mostBroken).map(
    (verdict): Check => ({
      id: 'assets.budget',
      target: targetOf(verdict),
      status: 'warning',
      value: verdict.bytes,
      threshold: verdict.limitBytes,
      unit: 'bytes',
      message: `${subjectOf(verdict)} weighs ${formatBytes(verdict.bytes)}, and the budget is ${formatBytes(verdict.limitBytes)}`,
    }),
  );
  const more = broken.length - checks.length;
  if (more > 0) checks.at(-1)!.message += `; ${formatCount(more)} more budgets are broken`;
  return checks;
}

function targetOf({ kind, glob, target }: BudgetVerdict): string {
  return kind === 'total' ? `${kind} ${glob}` : `${kind} ${target}`;
}

export function subjectOf({ kind, glob, target }: Pick<BudgetVerdict, 'kind' | 'glob' | 'target'>): string {
  switch (kind) {
    case 'perFile':
      return target;
    case 'perFolder':
      return `What is ${glob} in ${target}`;
    case 'total':
      return `All that is ${glob}`;
    case 'perMegapixel':
      return `${target}, for its pixels,`;
  }
}

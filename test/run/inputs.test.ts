import { describe, expect, test } from 'vitest';
import { databaseInputs } from '../../actions/lib/run/inputs.ts';

describe('the inputs of the database', () => {
  const nothing = Object.fromEntries(Object.keys(databaseInputs.shape).map(name => [name, '']));
  const issuesOf = (inputs: Record<string, string>) =>
    (databaseInputs.safeParse({ ...nothing, ...inputs }).error?.issues ?? []).map(({ path, message }) => [
      path.join('.'),
      message,
    ]);

  test.each<[Record<string, string>, string, RegExp]>([
    [{ mode: 'advise', budget: 'much' }, 'budget', /must be a size/],
    [{ mode: 'apply', issue: 'four', label: 'x' }, 'issue', /must be the number of an issue/],
    [{ budget: '50MB' }, 'budget', /for mode: advise/],
    [{ mode: 'apply', set: '20260101T000000Z-0001' }, 'set', /for mode: advise/],
    [{ mode: 'connections', 'write-issue': 'true' }, 'write-issue', /for mode: advise/],
    [{ mode: 'advise', indexes: 'create-938b48244ba6' }, 'indexes', /for mode: apply/],
    [{ mode: 'cleanup', declared: 'true' }, 'declared', /for mode: apply/],
    [{ mode: 'maintain', mend: 'true' }, 'mend', /for mode: apply/],
    [{ 'dry-run': 'true' }, 'dry-run', /for mode: apply and cleanup and maintain/],
    [{ mode: 'apply', issue: '4', label: 'x', declared: 'true' }, 'declared', /the label on it says what is applied/],
    [{ mode: 'apply', issue: '4', label: 'x', mend: 'true' }, 'mend', /the label on it says what is applied/],
    [{ mode: 'apply', mend: 'true', reindex: 'orders_pkey' }, 'reindex', /nothing is applied that was not begun/],
    [{ mode: 'apply', indexes: 'create-938b48244ba6', label: 'x' }, 'label', /the label on an issue/],
  ])('%j are refused: %s', (inputs, name, message) => {
    expect(issuesOf(inputs)).toEqual([[name, expect.stringMatching(message)]]);
  });

  test.each<Record<string, string>>([
    {},
    // What action.yml passes when nothing is said.
    { mode: 'cleanup', set: 'latest', 'write-issue': 'false', declared: 'false', 'dry-run': 'true' },
    { mode: 'advise', set: '20260101T000000Z-0001', source: 'shop', budget: '50MB', 'write-issue': 'true' },
    { mode: 'apply', indexes: 'create-938b48244ba6', reindex: 'orders_pkey', declared: 'true', 'dry-run': 'true' },
    { mode: 'apply', issue: '4', label: 'apply-index:create-938b48244ba6', 'chosen-by': 'anna' },
    { mode: 'maintain', 'chosen-by': 'anna' },
  ])('%j are taken', inputs => {
    expect(issuesOf(inputs)).toEqual([]);
  });
});

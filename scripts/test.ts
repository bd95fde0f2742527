import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin, lint, runNode, typeCheck } from './tools.ts';

/**
 * `npm test`: format and lint, types, and every test. `npm test -- storage` runs the tests whose path contains that
 * word and leaves the first two out; options go to vitest as they are. The last line is for machines: `N passed, …`.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);

const failures: string[] = [];
if (args.length === 0) {
  if (!(await lint(root))) failures.push('format and lint: npx biome check --write puts most of it right');
  if (!(await typeCheck(root))) failures.push('types');
}
const counts = await runTests();
if (!counts.isGreen) failures.push('tests');
for (const failure of failures) console.log(`FAILED ${failure}`);
for (const reason of counts.reasons) console.log(`skipped: ${reason}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = failures.length === 0 ? 0 : 1;

interface Counts {
  isGreen: boolean;
  passed: number;
  failed: number;
  skipped: number;
  /** Why, where a service is missing. */
  reasons: string[];
}

async function runTests(): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-test-'));
  const file = join(folder, 'results.json');
  try {
    const code = await runNode(root, [
      bin('vitest/vitest.mjs'),
      'run',
      '--config',
      'test/vitest.config.ts',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...args,
    ]);
    return count(JSON.parse(await readFile(file, 'utf8')) as Results, code === 0);
  } catch {
    // It ended before it could write its results, and has said why.
    return { isGreen: false, passed: 0, failed: 1, skipped: 0, reasons: [] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Results {
  testResults: { status: string; assertionResults: { status: string; fullName: string }[] }[];
}

function count(results: Results, isGreen: boolean): Counts {
  const named = results.testResults.flatMap(file => file.assertionResults);
  const tests = named.map(test => test.status);
  // The title of `requireService`.
  const reasons = named.flatMap(({ fullName }) => /\(skipped: (.*?)\)/.exec(fullName)?.[1] ?? []);
  const passed = tests.filter(status => status === 'passed').length;
  const failedTests = tests.filter(status => status === 'failed').length;
  // A file that could not be read, or whose hooks failed, is red without a test that is.
  const failedFiles = results.testResults.filter(
    file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed'),
  ).length;
  const failed = failedTests + failedFiles;
  // An error outside of every test makes vitest fail with nothing counted.
  return {
    isGreen: isGreen && failed === 0,
    passed,
    failed: isGreen || failed > 0 ? failed : 1,
    skipped: tests.length - passed - failedTests,
    reasons: [...new Set(reasons)],
  };
}

import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ExitCode, OpsError, toOpsError } from '../actions/lib/errors/index.ts';
import { formatBytes, formatCount } from '../actions/lib/log/index.ts';
import { planRelease, pushArguments } from './release/plan.ts';
import { Repository } from './release/repository.ts';
import { stageRelease } from './release/stage.ts';

/**
 * `npm run release`: puts the built actions on a tag, `v<version of package.json>`, and moves the tag of its major version
 * there, so that another repository can `uses:` an action with no set-up step. `--dry-run` does all but push.
 *
 * An immutable release on GitHub freezes its tag: make one of `v1.4.0`, and never of `v1`, which has to move.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** GitHub's own Linux runners. */
const defaultPlatforms = 'linux-x64,linux-arm64';

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

const workspace = await mkdtemp(join(tmpdir(), 'ops-release-'));
try {
  await release(process.argv.slice(2), interrupted.signal);
} catch (thrown) {
  const error = toOpsError(thrown);
  process.stderr.write(`${error.code} ${error.message}\n${error.hint ? `  → ${error.hint}\n` : ''}`);
  process.exitCode = error.exitCode;
} finally {
  await rm(workspace, { recursive: true, force: true });
}

async function release(args: readonly string[], signal: AbortSignal): Promise<void> {
  const { dryRun, remote, platforms } = options(args);
  const repository = new Repository({ root, remote, token: process.env.GITHUB_TOKEN || undefined, signal });
  await repository.checkClean();
  const source = await repository.checkPushed();
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const plan = planRelease(version, await repository.remoteTags());

  const folder = join(workspace, 'release');
  await mkdir(folder);
  const bundles = await stageRelease({ root, folder, platforms, source, version, signal });
  const commit = await repository.commitFolder(folder, source, `${plan.tag}\n\nBuilt from ${source}.`);
  const files = await repository.filesOf(commit);

  for (const [name, { externals }] of bundles) {
    const own = [...files].filter(([path]) => path.startsWith(`actions/${name}/`));
    const beside = externals.length === 0 ? '' : `, ${externals.length} packages beside it`;
    print(
      `${name}: ${formatCount(own.length)} files, ${formatBytes(own.reduce((sum, [, size]) => sum + size, 0))}${beside}`,
    );
  }
  const tags = [plan.tag, ...(plan.majorTag ? [plan.majorTag] : [])].join(' and ');
  if (dryRun) {
    print(`Would put ${commit.slice(0, 12)} on ${tags}; nothing was pushed.`);
    return;
  }
  await repository.push(pushArguments(plan, commit));
  print(`${tags} ${plan.majorTag ? 'are' : 'is'} at ${commit}, built from ${source}.`);
  process.exitCode = ExitCode.ok;
}

function options(args: readonly string[]): { dryRun: boolean; remote: string; platforms: string[] } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'dry-run': { type: 'boolean', default: false },
        remote: { type: 'string', default: 'origin' },
        platforms: { type: 'string', default: defaultPlatforms },
      },
    });
    return { dryRun: values['dry-run'], remote: values.remote, platforms: values.platforms.split(',').filter(Boolean) };
  } catch (error) {
    throw new OpsError('USAGE', (error as Error).message, {
      hint: 'npm run release -- [--dry-run] [--remote origin] [--platforms linux-x64,linux-arm64]',
      exit: 'usage',
    });
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

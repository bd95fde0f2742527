import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { runChild } from '../../actions/lib/process/index.ts';
import { actionNames, type Bundle, bundleAction } from '../build.ts';
import { platformsOf } from '../externals.ts';

export interface StageOptions {
  root: string;
  /** Where the release is put together. */
  folder: string;
  /** Of the machines that the actions are to run on, e.g. `linux-arm64`. */
  platforms: readonly string[];
  /** Said in the README: where the release comes from. */
  source: string;
  version: string;
  signal: AbortSignal;
}

/**
 * Puts a release together: every action with its bundle, the packages beside it and its licences, and nothing else.
 * @throws OpsError `RELEASE_PLATFORM` when an action would not run on one of the platforms
 */
export async function stageRelease(options: StageOptions): Promise<Map<string, Bundle>> {
  const { root, folder, version, source } = options;
  const bundles = new Map<string, Bundle>();
  let trees: string[] | undefined;
  for (const name of await actionNames(root)) {
    const target = join(folder, 'actions', name);
    await mkdir(target, { recursive: true });
    for (const file of ['action.yml', 'README.md']) await cp(join(root, 'actions', name, file), join(target, file));
    let made = await bundleAction(name, join(target, 'dist'));
    if (lacks(made, options.platforms).length > 0) {
      trees ??= await installOthers(options);
      made = await bundleAction(name, join(target, 'dist'), [root, ...trees]);
    }
    const missing = lacks(made, options.platforms);
    if (missing.length > 0) {
      throw new OpsError('RELEASE_PLATFORM', `actions/${name} would not run on ${missing.join(', ')}`, {
        hint: 'A package with machine code has none for it: see package-lock.json.',
      });
    }
    bundles.set(name, made);
  }
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await writeFile(join(folder, 'README.md'), readme(version, source, [...bundles.keys()]));
  return bundles;
}

/** The platforms that are asked for and that its machine code is not for; one without any runs everywhere. */
function lacks({ externals }: Bundle, wanted: readonly string[]): string[] {
  if (externals.every(({ platform }) => platform === undefined)) return [];
  const has = platformsOf(externals);
  return wanted.filter(platform => !has.includes(platform));
}

/** npm installs what is for one platform: a tree for each other one, from the same lockfile with the same hashes. */
async function installOthers({ root, folder, platforms, signal }: StageOptions): Promise<string[]> {
  const trees: string[] = [];
  for (const platform of platforms.filter(each => each !== `${process.platform}-${process.arch}`)) {
    const tree = await mkdtemp(join(folder, '..', `${platform}-`));
    for (const file of ['package.json', 'package-lock.json', '.npmrc'])
      await writeFile(join(tree, file), await readFile(join(root, file)));
    const [os = '', cpu = ''] = platform.split('-');
    const what = ['--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await runChild({
      command: 'npm',
      args: ['ci', ...what, `--os=${os}`, `--cpu=${cpu}`, ...(os === 'linux' ? ['--libc=glibc'] : [])],
      cwd: tree,
      signal,
      timeoutMs: 10 * 60_000,
      errorCode: 'RELEASE_INSTALL',
      name: `npm ci for ${platform}`,
    });
    trees.push(tree);
  }
  return trees;
}

function readme(version: string, source: string, names: readonly string[]): string {
  return [
    `# Production Ops ${version}`,
    '',
    `The actions, built from commit ${source}. Their source, the workflows and the documentation are on the default branch.`,
    '',
    ...names.map(name => `- [${name}](actions/${name}/README.md)`),
    '',
  ].join('\n');
}

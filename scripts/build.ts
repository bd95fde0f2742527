import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { parse } from 'yaml';
import { configJsonSchema } from '../actions/lib/config/index.ts';
import {
  copyExternals,
  type ExternalPackage,
  externalPackages,
  licenseText,
  planExternals,
  platformsOf,
} from './externals.ts';

/**
 * `npm run build`: bundles each action into `actions/<name>/dist/main.mjs` (not in git), with the packages that cannot be
 * bundled in `dist/node_modules`, and writes what is generated and in git: `.github/ops.schema.json` and the tables in the actions' READMEs. `--check` writes nothing and fails when one
 * of the latter is not current.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (import.meta.main) process.exitCode = process.argv.includes('--check') ? await checkGenerated() : await buildAll();

async function buildAll(): Promise<number> {
  for (const { path, text } of await generatedFiles(root)) await writeFile(join(root, path), text);
  for (const name of await actionNames(root)) {
    const { bytes, externals } = await bundleAction(name);
    console.log(`actions/${name}/dist/main.mjs  ${(bytes / 1024 / 1024).toFixed(1)} MiB${besideIt(externals)}`);
  }
  return 0;
}

async function checkGenerated(): Promise<number> {
  const stale = await staleFiles(root);
  for (const path of stale) console.error(`${path} is not current: run npm run build, and commit it`);
  return stale.length === 0 ? 0 : 1;
}

/** Files in git that differ from what would be generated now. */
export async function staleFiles(folder: string): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, text } of await generatedFiles(folder)) {
    const current = await readFile(join(folder, path), 'utf8').catch(() => '');
    if (current !== text) stale.push(path);
  }
  return stale;
}

/** Folders of `actions/` that are an action. */
export async function actionNames(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, 'actions'), { withFileTypes: true });
  return entries
    .filter(entry => entry.isDirectory() && entry.name !== 'lib')
    .map(entry => entry.name)
    .sort();
}

function besideIt(externals: readonly ExternalPackage[]): string {
  if (externals.length === 0) return '';
  const platforms = platformsOf(externals).join(' and ') || 'any platform';
  return `, ${externals.length} packages beside it for ${platforms}`;
}

export interface Bundle {
  /** Of the module, without the packages beside it. */
  bytes: number;
  externals: ExternalPackage[];
}

/** An action as one module, so that another repository can `uses:` it with no set-up step. @throws Error as `bundle` */
export function bundleAction(
  name: string,
  outDir = join(root, 'actions', name, 'dist'),
  trees = [root],
): Promise<Bundle> {
  return bundle(join(root, 'actions', name, 'main.ts'), outDir, trees);
}

/**
 * One ES module with everything in it, but for packages that load files of their own: they are copied beside it, as
 * `node_modules`. And `licenses.txt`, of all of them.
 *
 * @param trees folders with a `node_modules`, for packages with machine code: one for each platform
 * @throws Error of esbuild, or for a package that is not installed
 */
export async function bundle(entry: string, outDir: string, trees: readonly string[] = [root]): Promise<Bundle> {
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: join(outDir, 'main.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // pg loads its native client only when asked for it, and it is not installed.
    external: ['pg-native', ...externalPackages],
    nodePaths: [join(root, 'node_modules')],
    // CommonJS packages inside an ES module call require() for what Node brings itself.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  const externals = await planExternals(importedExternals(metafile), trees);
  await copyExternals(externals, outDir);
  await writeFile(join(outDir, 'licenses.txt'), await licensesOf(metafile, externals));
  return { bytes: Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0), externals };
}

/** What is left in the module of imports that are not of Node. */
function importedExternals({ outputs }: Metafile): Set<string> {
  const imported = Object.values(outputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
  return new Set(
    externalPackages.filter(name => imported.some(({ path }) => path === name || path.startsWith(`${name}/`))),
  );
}

/** The licence of every package that is in the bundle or beside it, as those licences ask. */
async function licensesOf(metafile: Metafile, externals: readonly ExternalPackage[]): Promise<string> {
  const folders = new Set(externals.map(({ folder }) => folder));
  for (const input of Object.keys(metafile.inputs)) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder) folders.add(join(root, folder));
  }
  const sections = new Map<string, string>();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    sections.set(`${name} ${version}`, `${name} ${version}\n${license ?? ''}\n\n${await licenseText(folder)}\n`);
  }
  return [...sections]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

async function generatedFiles(folder: string): Promise<{ path: string; text: string }[]> {
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...(configJsonSchema() as object) };
  const files = [{ path: '.github/ops.schema.json', text: `${JSON.stringify(schema, null, 2)}\n` }];
  for (const name of await actionNames(folder)) {
    const action: unknown = parse(await readFile(join(folder, 'actions', name, 'action.yml'), 'utf8'));
    const path = join('actions', name, 'README.md');
    const readme = await readFile(join(folder, path), 'utf8');
    files.push({ path: relative('.', path), text: withTables(readme, action as ActionFile) });
  }
  return files;
}

interface ActionFile {
  inputs: Record<string, { description: string; default?: string; required?: boolean }>;
  outputs: Record<string, { description: string }>;
}

/** The README with the tables between its markers made anew. */
export function withTables(readme: string, action: ActionFile): string {
  const inputs = Object.entries(action.inputs).map(
    ([name, { description, default: value, required }]) =>
      `| \`${name}\` | ${cell(description)} | ${required ? 'required' : value ? `\`${value}\`` : ''} |`,
  );
  const outputs = Object.entries(action.outputs).map(
    ([name, { description }]) => `| \`${name}\` | ${cell(description)} |`,
  );
  const withInputs = between(readme, 'inputs', ['| input | what it does | default |', '|---|---|---|', ...inputs]);
  return between(withInputs, 'outputs', ['| output | what it holds |', '|---|---|', ...outputs]);
}

function between(readme: string, name: string, lines: readonly string[]): string {
  const begin = `<!-- ${name}: generated from action.yml -->`;
  const end = `<!-- /${name} -->`;
  const start = readme.indexOf(begin);
  const stop = readme.indexOf(end);
  if (start < 0 || stop < start) throw new Error(`The README has no ${begin} … ${end}`);
  return `${readme.slice(0, start + begin.length)}\n\n${lines.join('\n')}\n\n${readme.slice(stop)}`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
}

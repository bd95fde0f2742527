import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { parse } from 'yaml';
import { configJsonSchema } from '../actions/lib/config/index.ts';

/**
 * `npm run build`: bundles each action into `actions/<name>/dist/main.mjs` (not in git) and writes what is generated and
 * in git: `.github/ops.schema.json` and the tables in the actions' READMEs. `--check` writes nothing and fails when one
 * of the latter is not current.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (import.meta.main) process.exitCode = process.argv.includes('--check') ? await checkGenerated() : await buildAll();

async function buildAll(): Promise<number> {
  for (const { path, text } of await generatedFiles(root)) await writeFile(join(root, path), text);
  for (const name of await actionNames(root)) {
    const bytes = await bundleAction(name);
    console.log(`actions/${name}/dist/main.mjs  ${(bytes / 1024 / 1024).toFixed(1)} MiB`);
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

/**
 * One ES module with everything in it, so that another repository can `uses:` the action with no set-up step.
 * @returns its size in bytes
 */
export async function bundleAction(name: string, outDir = join(root, 'actions', name, 'dist')): Promise<number> {
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  const outfile = join(outDir, 'main.mjs');
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'actions', name, 'main.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // pg loads it only when asked for its native client, and it is not installed.
    external: ['pg-native'],
    // CommonJS packages inside an ES module call require() for what Node brings itself.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  await writeFile(join(outDir, 'licenses.txt'), await licensesOf(metafile));
  return Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
}

/** The licence of every package that is in the bundle, as those licences ask. */
async function licensesOf(metafile: Metafile): Promise<string> {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder) folders.add(folder);
  }
  const sections: string[] = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'));
    const file = (await readdir(join(root, folder))).find(entry => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(join(root, folder, file), 'utf8') : '';
    sections.push(`${name} ${version}\n${license ?? ''}\n\n${text.trim()}\n`);
  }
  return sections.join(`\n${'-'.repeat(80)}\n\n`);
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

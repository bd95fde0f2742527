import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';

/**
 * The floors of `actions/lib`, lowest first. A folder imports from floors below its own, never from one beside it.
 */
const floors: readonly (readonly string[])[] = [
  ['errors'],
  ['log', 'config', 'schedule', 'markdown', 'retry'],
  ['context', 'process'],
  ['age', 'storage', 'github'],
  ['postgres', 'reports'],
  ['alerts'],
  ['backup', 'assets', 'cdn', 'monitoring', 'watchdog'],
  // Index advice is proved on a restored backup.
  ['database'],
  ['recovery'],
  ['run'],
  ['console'],
];

/** Beside `index.ts`: of `lib/run`, so that the CLI does not load the packages of Actions; of the database, for its benchmark. */
const moreFaces: Readonly<Record<string, readonly string[]>> = { run: ['action.ts'], database: ['advisor.ts'] };
const faces = (folder: string): readonly string[] => ['index.ts', ...(moreFaces[folder] ?? [])];

/** Only these know that Actions exists. */
const mayKnowActions = new Set(['run', 'github']);

/** Every breach of the floors and of the rules on versions, one line each, with file and line. */
export async function checkFloors(root: string): Promise<string[]> {
  const files = await sources(root);
  return [
    ...files.flatMap(file => importBreaches(file)),
    ...cycles(files).map(cycle => `a cycle of imports: ${cycle.join(' → ')}`),
    ...(await versionBreaches(root)),
  ];
}

interface Source {
  /** Relative to the root. */
  path: string;
  imports: { specifier: string; line: number; isType: boolean }[];
}

interface Place {
  /** Folder of `actions/lib`; undefined elsewhere. */
  folder: string | undefined;
  /** What it is called inside that folder. */
  inside: string;
}

async function sources(root: string): Promise<Source[]> {
  const files: Source[] = [];
  for (const top of ['actions', 'scripts']) {
    const entries = await readdir(join(root, top), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !entry.name.endsWith('.ts') || /\/(dist|node_modules)(\/|$)/.test(entry.parentPath))
        continue;
      const absolute = join(entry.parentPath, entry.name);
      files.push({ path: relative(root, absolute), imports: importsOf(await readFile(absolute, 'utf8')) });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

const importPattern = /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

function importsOf(text: string): Source['imports'] {
  return [...text.matchAll(importPattern)].map(match => ({
    specifier: match[2] ?? match[3]!,
    line: text.slice(0, match.index).split('\n').length,
    isType: match[1] !== undefined,
  }));
}

function importBreaches(file: Source): string[] {
  const from = placeOf(file.path);
  return file.imports.flatMap(({ specifier, line }) => {
    const at = `${file.path}:${line}`;
    if (specifier.startsWith('@actions/')) {
      const isAllowed = from.folder === undefined ? !file.path.startsWith('actions/') : mayKnowActions.has(from.folder);
      return isAllowed ? [] : [`${at}: imports ${specifier}; only lib/run and lib/github know Actions`];
    }
    if (!specifier.startsWith('.')) return [];
    const target = normalize(join(dirname(file.path), specifier));
    const to = placeOf(target);
    if (to.folder === undefined) {
      const isUp = from.folder !== undefined;
      return isUp ? [`${at}: imports ${target}; lib knows nothing outside lib`] : [];
    }
    if (to.folder === from.folder) return [];
    const breaches: string[] = [];
    if (!faces(to.folder).includes(to.inside)) {
      breaches.push(`${at}: imports ${target}; what ${to.folder}/index.ts does not export is private`);
    }
    if (from.folder !== undefined) {
      const [own, other] = [floorOf(from.folder), floorOf(to.folder)];
      if (own < 0 || other < 0)
        breaches.push(`${at}: ${own < 0 ? from.folder : to.folder} has no floor in scripts/floors.ts`);
      else if (other >= own) breaches.push(`${at}: ${from.folder} imports ${to.folder}, which is not below it`);
    }
    return breaches;
  });
}

/** `actions/lib/index.ts` is the face of the package, above all floors: a place outside of them. */
function placeOf(path: string): Place {
  const match = /^actions\/lib\/([^/]+)\/(.+)$/.exec(path);
  return { folder: match?.[1], inside: match?.[2] ?? path };
}

function floorOf(folder: string): number {
  return floors.findIndex(floor => floor.includes(folder));
}

/** Files that import each other at run time: which of them is evaluated first then depends on who asks. */
function cycles(files: readonly Source[]): string[][] {
  const graph = new Map(
    files.map(file => [
      file.path,
      file.imports
        .filter(each => !each.isType && each.specifier.startsWith('.'))
        .map(each => normalize(join(dirname(file.path), each.specifier))),
    ]),
  );
  const found: string[][] = [];
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) return void found.push([...trail.slice(start), path]);
    if (finished.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

async function versionBreaches(root: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
  const ofServers = await readFile(join(root, testServers), 'utf8').catch(() => '{}');
  const breaches = [...inexact('package.json', manifest), ...inexact(testServers, JSON.parse(ofServers) as Manifest)];
  const context = await readFile(join(root, 'actions/lib/context/index.ts'), 'utf8');
  const toolVersion = /toolVersion = '([^']+)'/.exec(context)?.[1];
  if (toolVersion !== manifest.version) {
    breaches.push(
      `actions/lib/context/index.ts: toolVersion is ${toolVersion}, and package.json says ${manifest.version}`,
    );
  }
  return breaches;
}

/** Packages that only the tests need. */
const testServers = 'test/servers/package.json';
const groups = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;

type Manifest = { version?: string } & { [group in (typeof groups)[number]]?: Record<string, string> };

function inexact(file: string, manifest: Manifest): string[] {
  return (
    groups
      .flatMap(group => Object.entries(manifest[group] ?? {}))
      // `npm:name@version` is another package under a name of ours.
      .filter(([, version]) => !/^(npm:(@[a-z0-9-]+\/)?[a-z0-9.-]+@)?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
      .map(([name, version]) => `${file}: ${name} is '${version}', which is not an exact version`)
  );
}

import { cp, readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/**
 * Packages that load files of their own when they run (machine code, WebAssembly) and so cannot be put into one module.
 * Those that an action imports are copied beside its bundle, with all that they need.
 */
export const externalPackages: readonly string[] = ['libpg-query', 'lightningcss', 'oxc-minify', 'oxc-parser', 'sharp'];

/** One package of a `node_modules`, to be copied as it is. */
export interface ExternalPackage {
  name: string;
  version: string;
  license: string;
  /** Absolute. */
  folder: string;
  /** `node_modules/@img/sharp-linux-x64`: the same below the bundle, so that Node finds there what it finds here. */
  path: string;
  /** `linux-x64`, for one with machine code; undefined for one that runs anywhere. */
  platform: string | undefined;
  /** The package that has one like it for each platform. */
  family: string | undefined;
}

/**
 * The packages that some packages need at run time, themselves included, from one or more installed trees: npm installs
 * what is for one platform, so that there is a tree for each. Optional ones that are not installed are left out.
 *
 * @param roots folders with a `node_modules`; what the first has comes from there
 * @throws Error for a package that is needed and not installed, or that differs from tree to tree
 */
export async function planExternals(names: Iterable<string>, roots: readonly string[]): Promise<ExternalPackage[]> {
  const planned = new Map<string, ExternalPackage>();
  for (const root of roots) {
    for (const found of await closure([...names], root)) {
      const known = planned.get(found.path);
      if (known && known.version !== found.version) {
        throw new Error(`${found.path} is ${known.version} in ${roots[0]} and ${found.version} in ${root}`);
      }
      if (!known) planned.set(found.path, found);
    }
  }
  return [...planned.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The platforms that all of the packages run on: those for which each family of machine code has a member. */
export function platformsOf(packages: readonly ExternalPackage[]): string[] {
  const families = Map.groupBy(
    packages.filter(each => each.platform !== undefined),
    each => each.family,
  );
  const all = new Set(packages.flatMap(({ platform }) => platform ?? []));
  return [...all]
    .filter(platform => [...families.values()].every(of => of.some(each => each.platform === platform)))
    .sort();
}

/** @param folder of the bundle */
export async function copyExternals(packages: readonly ExternalPackage[], folder: string): Promise<void> {
  for (const { folder: from, path } of packages) {
    await cp(from, join(folder, path), {
      recursive: true,
      dereference: true,
      // What is nested in it is in the plan when it is needed; what only an editor or a debugger reads is not.
      filter: source =>
        !relative(from, source).split(sep).includes('node_modules') && !/\.(d\.[cm]?ts|map)$/.test(source),
    });
  }
}

interface Manifest {
  name: string;
  version: string;
  license?: string;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

async function closure(names: readonly string[], root: string): Promise<ExternalPackage[]> {
  const found = new Map<string, ExternalPackage>();
  const visit = async (name: string, from: string, family: string | undefined, isOptional: boolean): Promise<void> => {
    const folder = await resolvePackage(name, from, root);
    if (folder === undefined) {
      if (isOptional) return;
      throw new Error(`${name}, which ${family ?? 'an action'} needs, is not installed: npm ci`);
    }
    if (found.has(folder)) return;
    const manifest = await readManifest(folder);
    const platform = manifest.os && manifest.cpu ? `${manifest.os[0]}-${manifest.cpu[0]}${musl(manifest)}` : undefined;
    found.set(folder, {
      name,
      version: manifest.version,
      license: manifest.license ?? '',
      folder,
      path: relative(root, folder).replaceAll(sep, '/'),
      platform,
      family: platform === undefined ? undefined : family,
    });
    // npm lists an optional dependency among the others, too.
    const optional = new Set(Object.keys(manifest.optionalDependencies ?? {}));
    const needed = new Set([...Object.keys(manifest.dependencies ?? {}), ...optional]);
    for (const next of needed) await visit(next, folder, name, optional.has(next));
  };
  for (const name of names) await visit(name, root, undefined, false);
  return [...found.values()];
}

function musl({ libc }: Manifest): string {
  return libc?.[0] === 'musl' ? '-musl' : '';
}

/** Where Node would find it: in the package's own `node_modules`, else in those of the folders above, up to the root. */
async function resolvePackage(name: string, from: string, root: string): Promise<string | undefined> {
  for (let folder = from; folder.startsWith(root); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (await readManifest(candidate).catch(() => undefined)) return candidate;
  }
  return undefined;
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}

/** The text of a package's licence; of one that has no such file, what it says about itself. */
export async function licenseText(folder: string): Promise<string> {
  const files = await readdir(folder);
  const file = files.find(name => /^licen[cs]e/i.test(name)) ?? files.find(name => /^readme/i.test(name));
  return file === undefined ? '' : (await readFile(join(folder, file), 'utf8')).trim();
}

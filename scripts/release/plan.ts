import { OpsError } from '../../actions/lib/errors/index.ts';

/** Which tags a release makes and moves, from what there is already: a decision, and nothing is done here. */
export interface ReleasePlan {
  /** `v1.4.0`; once made it never moves. */
  tag: string;
  /** `v1`, for those who want what is compatible; undefined when it stays where it is, or there is to be none. */
  majorTag: string | undefined;
  /** Where the major tag is now; undefined: nowhere. */
  majorWas: string | undefined;
}

/**
 * @param version of package.json
 * @param remoteTags name → commit, of the remote
 * @throws OpsError `RELEASE_VERSION` for a version that is none, `RELEASE_EXISTS` when it is released already
 */
export function planRelease(version: string, remoteTags: ReadonlyMap<string, string>): ReleasePlan {
  const parsed = parseVersion(version);
  if (!parsed) {
    throw new OpsError('RELEASE_VERSION', `'${version}' in package.json is not a version such as 1.4.0`, {
      exit: 'usage',
    });
  }
  const tag = `v${version}`;
  if (remoteTags.has(tag)) {
    throw new OpsError('RELEASE_EXISTS', `${tag} is released already`, {
      hint: 'A release never changes: raise the version in package.json and in actions/lib/context/index.ts.',
      exit: 'usage',
    });
  }
  const major = `v${parsed.numbers[0]}`;
  const others = [...remoteTags.keys()]
    .map(name => parseVersion(name.replace(/^v/, '')))
    .filter(other => other !== undefined && !other.isPreview && other.numbers[0] === parsed.numbers[0]);
  // A repair of 1.2 that comes after 1.3 must not take 1.3 away from those who follow v1.
  const isNewest = others.every(other => compareNumbers(parsed.numbers, other!.numbers) > 0);
  const moves = !parsed.isPreview && isNewest;
  return { tag, majorTag: moves ? major : undefined, majorWas: remoteTags.get(major) };
}

/**
 * What `git push` is told: all or nothing, the release only where there is none, and the major tag only from where it was
 * when the plan was made.
 */
export function pushArguments({ tag, majorTag, majorWas }: ReleasePlan, commit: string): string[] {
  const release = `refs/tags/${tag}`;
  const major = `refs/tags/${majorTag}`;
  return [
    '--atomic',
    `--force-with-lease=${release}:`,
    ...(majorTag ? [`--force-with-lease=${major}:${majorWas ?? ''}`] : []),
    `${commit}:${release}`,
    ...(majorTag ? [`${commit}:${major}`] : []),
  ];
}

interface Version {
  numbers: [number, number, number];
  /** `1.0.0-rc.1` */
  isPreview: boolean;
}

function parseVersion(text: string): Version | undefined {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/.exec(text);
  if (!match) return undefined;
  return { numbers: [Number(match[1]), Number(match[2]), Number(match[3])], isPreview: match[4] !== undefined };
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, index) => number !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

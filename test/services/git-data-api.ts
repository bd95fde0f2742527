import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GitObjects, type TreeItem } from './git-objects.ts';

const run = promisify(execFile);
const zeros = '0'.repeat(40);

export interface GitDataApi {
  objects: GitObjects;
  /** Answers a request as GitHub's REST API does. */
  handle(request: Request): Promise<Response>;
  /** From now on a rule refuses commits to this branch, with GitHub's words for it. */
  protect(branch: string, refusal?: { status: number; message: string }): void;
  close(): Promise<void>;
}

/**
 * The part of GitHub's Git Data API that publishing needs, over a real bare repository `acme/shop`: real objects, and
 * refs that git itself moves or refuses to.
 */
export async function createGitDataApi(folder: string, defaultBranch = 'main'): Promise<GitDataApi> {
  await run('git', ['init', '--quiet', '--bare', `--initial-branch=${defaultBranch}`, folder]);
  const objects = new GitObjects(folder);
  const rules = new Map<string, { status: number; message: string }>();

  const handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const path = decodeURIComponent(url.pathname).replace(/^\/repos\/acme\/shop/, '');
    const body = ['GET', 'DELETE'].includes(request.method) ? undefined : ((await request.json()) as Body);
    for (const [method, pattern, answer] of routes) {
      const match = pattern.exec(path);
      if (method === request.method && match)
        return answer({ objects, rules, defaultBranch }, match[1] ?? '', body ?? {});
    }
    return refuse(404, 'Not Found');
  };
  return {
    objects,
    handle,
    protect: (branch, refusal = { status: 422, message: ruleMessage }) => void rules.set(branch, refusal),
    close: () => objects.close(),
  };
}

/** A first commit with one file, so that the repository is not empty. */
export async function seedBranch(api: GitDataApi, branch: string, files: Record<string, string>): Promise<string> {
  const { objects } = api;
  let tree = objects.writeTree([]);
  for (const [path, text] of Object.entries(files)) {
    tree = await withEntry(objects, tree, path.split('/'), {
      mode: '100644',
      sha: objects.write('blob', Buffer.from(text)),
    });
  }
  const commit = writeCommit(objects, tree, [], 'First commit');
  const complaint = await objects.moveRef(`refs/heads/${branch}`, commit, zeros);
  if (complaint) throw new Error(complaint);
  return commit;
}

interface Body {
  base_tree?: string;
  tree?: string | { path: string; mode: string; sha?: string | null; content?: string }[];
  message?: string;
  parents?: string[];
  ref?: string;
  sha?: string;
  force?: boolean;
  content?: string;
  encoding?: 'utf-8' | 'base64';
  base?: string;
  head?: string;
}

interface Repository {
  objects: GitObjects;
  rules: Map<string, { status: number; message: string }>;
  defaultBranch: string;
}

type Answer = (repository: Repository, parameter: string, body: Body) => Response | Promise<Response>;

const ruleMessage = 'Repository rule violations found\n\nChanges must be made through a pull request.\n\n';

const routes: [method: string, pattern: RegExp, answer: Answer][] = [
  ['GET', /^$/, ({ defaultBranch }) => Response.json({ full_name: 'acme/shop', default_branch: defaultBranch })],
  ['GET', /^\/git\/ref\/(heads\/.+)$/, readRef],
  ['GET', /^\/git\/commits\/([0-9a-f]{40})$/, readCommit],
  ['GET', /^\/git\/trees\/([0-9a-f]{40})$/, readTree],
  ['GET', /^\/git\/blobs\/([0-9a-f]{40})$/, readBlob],
  ['GET', /^\/compare\/([0-9a-f]{40}\.\.\.[0-9a-f]{40})$/, compare],
  ['POST', /^\/git\/blobs$/, makeBlob],
  ['POST', /^\/merges$/, mergeBranch],
  ['POST', /^\/git\/trees$/, makeTree],
  ['POST', /^\/git\/commits$/, makeCommit],
  ['POST', /^\/git\/refs$/, makeRef],
  ['PATCH', /^\/git\/refs\/(heads\/.+)$/, moveRef],
];

async function readRef({ objects }: Repository, name: string): Promise<Response> {
  const sha = await objects.ref(`refs/${name}`);
  if (sha === undefined) return (await isEmpty(objects)) ? emptyRepository() : refuse(404, 'Not Found');
  return Response.json({ ref: `refs/${name}`, object: { type: 'commit', sha } });
}

async function readCommit({ objects }: Repository, sha: string): Promise<Response> {
  const commit = await objects.commit(sha);
  if (!commit) return refuse(404, 'Not Found');
  return Response.json({ sha, tree: { sha: commit.tree }, parents: commit.parents.map(parent => ({ sha: parent })) });
}

async function readTree({ objects }: Repository, sha: string): Promise<Response> {
  const items = await objects.tree(sha);
  if (!items) return refuse(404, 'Not Found');
  const tree = items.map(({ mode, name, sha: of }) => ({
    path: name,
    mode: mode.padStart(6, '0'),
    type: mode === '40000' ? 'tree' : 'blob',
    sha: of,
  }));
  return Response.json({ sha, tree, truncated: false });
}

async function readBlob({ objects }: Repository, sha: string): Promise<Response> {
  const blob = await objects.read(sha);
  if (blob?.type !== 'blob') return refuse(404, 'Not Found');
  // GitHub breaks base64 into lines.
  const content = blob.body.toString('base64').replace(/.{60}/g, '$&\n');
  return Response.json({ sha, size: blob.body.length, content, encoding: 'base64' });
}

async function compare({ objects }: Repository, basehead: string): Promise<Response> {
  const [base = '', head = ''] = basehead.split('...');
  if (base === head) return Response.json({ status: 'identical' });
  const names = await objects.git('diff', '--name-only', `${base}...${head}`);
  const files = names
    .split('\n')
    .filter(Boolean)
    .map(filename => ({ filename }));
  return Response.json({ status: (await objects.isAncestor(base, head)) ? 'ahead' : 'diverged', files });
}

async function makeTree({ objects }: Repository, _: string, body: Body): Promise<Response> {
  if (body.base_tree === undefined && (await isEmpty(objects))) return emptyRepository();
  let tree = body.base_tree ?? objects.writeTree([]);
  if (!(await objects.tree(tree))) return refuse(422, 'base_tree is not a valid tree oid');
  for (const { path, mode, sha, content } of Array.isArray(body.tree) ? body.tree : []) {
    const blob = content === undefined ? sha : objects.write('blob', Buffer.from(content));
    tree = await withEntry(
      objects,
      tree,
      path.split('/'),
      blob === null || blob === undefined ? null : { mode, sha: blob },
    );
  }
  return Response.json({ sha: tree }, { status: 201 });
}

function makeBlob({ objects }: Repository, _: string, { content = '', encoding }: Body): Response {
  const sha = objects.write('blob', Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8'));
  return Response.json({ sha }, { status: 201 });
}

/** 204 when there is nothing to merge, 409 when git could not merge it by itself. */
async function mergeBranch({ objects }: Repository, _: string, { base = '', head = '' }: Body): Promise<Response> {
  const ours = await objects.ref(`refs/heads/${base}`);
  const theirs = (await objects.ref(`refs/heads/${head}`)) ?? head;
  if (ours === undefined) return refuse(404, 'Base does not exist');
  if (await objects.isAncestor(theirs, ours)) return new Response(null, { status: 204 });
  let tree: string;
  try {
    tree = (await objects.git('merge-tree', '--write-tree', ours, theirs)).trim();
  } catch {
    return refuse(409, 'Merge conflict');
  }
  const sha = writeCommit(objects, tree, [ours, theirs], `Merge ${head} into ${base}`);
  const complaint = await objects.moveRef(`refs/heads/${base}`, sha, ours);
  return complaint ? refuse(409, complaint) : Response.json({ sha }, { status: 201 });
}

async function makeCommit({ objects }: Repository, _: string, body: Body): Promise<Response> {
  const tree = String(body.tree);
  if (!(await objects.tree(tree))) return refuse(422, 'Tree SHA does not exist');
  for (const parent of body.parents ?? []) {
    if (!(await objects.commit(parent))) return refuse(422, 'Parent SHA does not exist or is not a commit object');
  }
  return Response.json({ sha: writeCommit(objects, tree, body.parents ?? [], body.message ?? '') }, { status: 201 });
}

async function makeRef({ objects, rules }: Repository, _: string, { ref = '', sha = '' }: Body): Promise<Response> {
  const rule = rules.get(ref.slice('refs/heads/'.length));
  if (rule) return refuse(rule.status, rule.message);
  const complaint = await objects.moveRef(ref, sha, zeros);
  if (complaint) return refuse(422, 'Reference already exists');
  return Response.json({ ref, object: { type: 'commit', sha } }, { status: 201 });
}

async function moveRef({ objects, rules }: Repository, name: string, { sha = '', force }: Body): Promise<Response> {
  const now = await objects.ref(`refs/${name}`);
  if (now === undefined) return refuse(422, 'Reference does not exist');
  if (!(await objects.commit(sha))) return refuse(422, 'Object does not exist');
  const rule = rules.get(name.slice('heads/'.length));
  if (rule) return refuse(rule.status, rule.message);
  if (force !== true && now !== sha && !(await objects.isAncestor(now, sha)))
    return refuse(422, 'Update is not a fast forward');
  const complaint = await objects.moveRef(`refs/${name}`, sha, now);
  if (complaint) return refuse(422, `Reference cannot be updated: ${complaint}`);
  return Response.json({ ref: `refs/${name}`, object: { type: 'commit', sha } });
}

/** The tree with one path set, or removed, as `base_tree` means it. */
async function withEntry(
  objects: GitObjects,
  tree: string | undefined,
  [name = '', ...rest]: string[],
  entry: { mode: string; sha: string } | null,
): Promise<string> {
  const items = (tree === undefined ? [] : await objects.tree(tree)) ?? [];
  const others = items.filter(item => item.name !== name);
  const existing = items.find(item => item.name === name);
  let next: TreeItem[] = [];
  if (rest.length > 0) {
    const folder = existing?.mode === '40000' ? existing.sha : undefined;
    next = [{ mode: '40000', name, sha: await withEntry(objects, folder, rest, entry) }];
  } else if (entry) next = [{ name, ...entry }];
  return objects.writeTree([...others, ...next]);
}

let lastSecond = 1_795_000_000;

function writeCommit(objects: GitObjects, tree: string, parents: readonly string[], message: string): string {
  lastSecond++;
  const person = `github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com> ${lastSecond} +0000`;
  const lines = [`tree ${tree}`, ...parents.map(sha => `parent ${sha}`), `author ${person}`, `committer ${person}`];
  return objects.write('commit', Buffer.from(`${lines.join('\n')}\n\n${message}`));
}

async function isEmpty(objects: GitObjects): Promise<boolean> {
  return (await objects.git('for-each-ref', '--count=1')) === '';
}

function emptyRepository(): Response {
  return refuse(409, 'Git Repository is empty.');
}

function refuse(status: number, message: string): Response {
  return Response.json({ message, documentation_url: 'https://docs.github.com/rest/git' }, { status });
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGitDataApi, type GitDataApi, seedBranch } from '../services/git-data-api.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { ActionsApi } from '../watchdog/actions-api.ts';

/** The repository shop/ops for a built action: a real git repository, the endpoints of Actions, a list of issues. */
export class GitHubOfShop implements AsyncDisposable {
  readonly actions = new ActionsApi();
  readonly issues: { title: string; body: string; labels: string[] }[] = [];
  readonly git: GitDataApi;
  readonly proxy: GitHubProxy;
  readonly #folder: string;

  private constructor(folder: string, git: GitDataApi, start: (handle: typeof this.handle) => GitHubProxy) {
    this.#folder = folder;
    this.git = git;
    this.proxy = start(this.handle);
  }

  static async open(): Promise<GitHubOfShop> {
    const folder = await mkdtemp(join(tmpdir(), 'ops-shop-'));
    const git = await createGitDataApi(join(folder, 'repository.git'));
    await seedBranch(git, 'main', { 'README.md': 'ops' });
    let handle: GitHubOfShop['handle'];
    const proxy = await startGitHubProxy(request => handle(request));
    return new GitHubOfShop(folder, git, mine => {
      handle = mine;
      return proxy;
    });
  }

  readonly handle = async (request: Request): Promise<Response> => {
    const path = new URL(request.url).pathname.replace('/repos/shop/ops', '');
    if (path === '/issues' && request.method === 'GET') return Response.json([]);
    if (path.startsWith('/labels'))
      return Response.json({ name: 'ops-alert' }, { status: request.method === 'POST' ? 201 : 200 });
    if (path === '/issues') {
      const issue = (await request.json()) as GitHubOfShop['issues'][number];
      this.issues.push(issue);
      return Response.json(
        { ...issue, number: this.issues.length, state: 'open', user: { login: 'github-actions[bot]', type: 'Bot' } },
        { status: 201 },
      );
    }
    if (path.startsWith('/contents/reports/')) return this.#contents(path.slice('/contents/'.length), request.url);
    if (path.startsWith('/actions/') || path.startsWith('/contents/')) return this.actions.handle(request);
    return this.git.handle(new Request(request.url.replace('/repos/shop/ops', '/repos/acme/shop'), request));
  };

  /** As the contents API answers for a file, and for a folder. */
  async #contents(path: string, url: string): Promise<Response> {
    const at = `${new URL(url).searchParams.get('ref') ?? 'main'}:${path}`;
    const { git } = this.git.objects;
    const type = await git('cat-file', '-t', at).catch(() => undefined);
    if (type === undefined) return Response.json({ message: 'Not Found' }, { status: 404 });
    if (type.trim() === 'tree') {
      const entries = (await git('ls-tree', '-z', at)).split('\0').filter(Boolean);
      return Response.json(
        entries.map(entry => {
          const [, kind, name] = /^\d+ (\w+) \w+\t(.*)$/s.exec(entry) ?? [];
          return { name, type: kind === 'tree' ? 'dir' : 'file' };
        }),
      );
    }
    const content = Buffer.from(await git('show', at)).toString('base64');
    return Response.json({ type: 'file', sha: '', encoding: 'base64', content });
  }

  /** A file of the branch as git has it. */
  show(path: string, branch = 'main'): Promise<string> {
    return this.git.objects.git('show', `${branch}:${path}`);
  }

  async countCommits(): Promise<number> {
    return Number(await this.git.objects.git('rev-list', '--count', '--all'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.stop();
    await this.git.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

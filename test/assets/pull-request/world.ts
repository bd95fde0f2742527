import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { z } from 'zod';
import { type AssetsReviewInput, assetsReviewOperation } from '../../../actions/lib/assets/index.ts';
import { configSchema } from '../../../actions/lib/config/index.ts';
import type { OpsContext } from '../../../actions/lib/context/index.ts';
import { createGitHub, type GitHub } from '../../../actions/lib/github/index.ts';
import { noProgress, silentLog } from '../../../actions/lib/log/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../../services/git-data-api.ts';
import { type GitHubProxy, startGitHubProxy } from '../../services/github-proxy.ts';
import { PullsApi } from '../../services/pulls-api.ts';
import { looseCss } from '../tree-fixture.ts';

const run = promisify(execFile);

export const globs = ['**/*.{css,js,json,png,jpg}'];

/** What the files of a test file have in common is looked at once. */
const cachePath = await mkdtemp(join(tmpdir(), 'ops-pull-cache-'));
process.once(
  'exit',
  () => void import('node:fs').then(({ rmSync }) => rmSync(cachePath, { recursive: true, force: true })),
);

/** A photograph that is far too heavy for what it shows. */
export const heavyImage = await sharp({
  create: {
    width: 300,
    height: 200,
    channels: 3,
    background: '#888',
    noise: { type: 'gaussian', mean: 128, sigma: 30 },
  },
})
  .blur(2)
  .jpeg({ quality: 100 })
  .toBuffer();

/** The repository `acme/shop` on GitHub, with pull requests, and a clone of it. */
export class World {
  readonly folder: string;
  readonly git: GitDataApi;
  readonly api: PullsApi;
  readonly proxy: GitHubProxy;
  readonly clone: string;
  readonly #firstCommit: string;

  private constructor(folder: string, git: GitDataApi, proxy: GitHubProxy, api: PullsApi, firstCommit: string) {
    this.folder = folder;
    this.git = git;
    this.api = api;
    this.proxy = proxy;
    this.clone = join(folder, 'clone');
    this.#firstCommit = firstCommit;
  }

  static async open(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'ops-pull-'));
    const git = await createGitDataApi(join(folder, 'shop.git'));
    const firstCommit = await seedBranch(git, 'main', { 'README.md': 'Shop\n', 'css/old.css': looseCss });
    const api = new PullsApi(git);
    const proxy = await startGitHubProxy(api.handle);
    await run('git', ['clone', '--quiet', git.objects.folder, join(folder, 'clone')]);
    return new World(folder, git, proxy, api, firstCommit);
  }

  /** As it was when it was opened: one repository serves the tests of a file. */
  async reset(): Promise<void> {
    expect(this.proxy.violations).toEqual([]);
    this.proxy.reset();
    this.api.reset();
    await this.#gitScript(
      this.git.objects.folder,
      `git for-each-ref --format='delete %(refname)' refs/heads | git update-ref --stdin
       git update-ref refs/heads/main ${this.#firstCommit}
       git -C ../clone fetch --quiet --prune`,
    );
    await rm(this.outputs, { recursive: true, force: true });
  }

  /** A process of this size is slow to start another from: one that starts the rest. */
  async #gitScript(folder: string, script: string): Promise<void> {
    const author = { GIT_AUTHOR_NAME: 'Ann', GIT_AUTHOR_EMAIL: 'ann@example.org' };
    const committer = { GIT_COMMITTER_NAME: 'Ann', GIT_COMMITTER_EMAIL: 'ann@example.org' };
    await run('sh', ['-ec', script], { cwd: folder, env: { ...process.env, ...author, ...committer } });
  }

  async close(): Promise<void> {
    await this.proxy.stop();
    await this.git.close();
    await rm(this.folder, { recursive: true, force: true });
    expect(this.proxy.violations).toEqual([]);
  }

  inClone(...args: string[]): Promise<{ stdout: string }> {
    return run('git', ['-C', this.clone, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args]);
  }

  async write(path: string, content: string | Uint8Array): Promise<void> {
    const file = join(this.clone, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }

  /** A person's branch, checked out in the clone and pushed. */
  async branch(name: string, files: Record<string, string | Uint8Array>): Promise<void> {
    const checkout = `git checkout --quiet --force -B '${name}' origin/main`;
    await this.#gitScript(this.clone, `${checkout}\ngit clean --quiet --force -d`);
    for (const [path, content] of Object.entries(files)) await this.write(path, content);
    await this.push(name, 'By hand');
  }

  /** Commits all there is in the clone. */
  async push(branch: string, message: string): Promise<void> {
    await this.#gitScript(
      this.clone,
      `git add -A\ngit commit --quiet -m '${message}'\ngit push --quiet origin '${branch}'`,
    );
  }

  github(): GitHub {
    const { url: apiUrl } = this.proxy;
    return createGitHub({
      token: 'ghs_test',
      repository: 'acme/shop',
      apiUrl,
      log: silentLog,
      signal: new AbortController().signal,
      sleep: async () => {},
      timeoutMs: 5000,
    });
  }

  context(assets: z.input<typeof configSchema>['assets'] = {}): OpsContext {
    const secrets = {
      githubToken: 'ghs_test',
      githubRepository: 'acme/shop',
      githubApiUrl: this.proxy.url,
    } as OpsContext['secrets'];
    return {
      config: configSchema.parse({ assets: { cache: { path: cachePath }, ...assets } }),
      secrets,
      log: silentLog,
      progress: noProgress,
      signal: new AbortController().signal,
      now: () => new Date(),
      cwd: this.clone,
      reportId: '20261123T020000Z-7f3c',
    };
  }

  /** The check of the newest pull request. */
  review(input: Partial<AssetsReviewInput> = {}, assets: z.input<typeof configSchema>['assets'] = {}) {
    const { number, head } = this.api.pulls.at(-1)!;
    const isFork = head.repo?.full_name !== 'acme/shop';
    return assetsReviewOperation.execute(
      {
        pullRequest: { number, headSha: head.sha, headRef: head.ref, isFork },
        globs,
        name: null,
        fix: 'none',
        comment: true,
        folder: this.outputs,
        run: workRun,
        ...input,
      },
      this.context(assets),
    );
  }

  /** Where a check puts its patch, and what it hands over. */
  get outputs(): string {
    return join(this.folder, 'outputs');
  }
}

export const workRun = { id: 7, attempt: 1, url: 'https://github.example/acme/shop/actions/runs/7' };

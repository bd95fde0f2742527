import { join } from 'node:path';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { runChild } from '../../actions/lib/process/index.ts';

export interface RepositoryOptions {
  root: string;
  /** Name of the remote, e.g. `origin`. */
  remote: string;
  /** Sent to an https remote; a checkout in Actions keeps none. */
  token: string | undefined;
  signal: AbortSignal;
}

/** The repository that is released, by git alone. */
export class Repository {
  readonly #options: RepositoryOptions;

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** @throws OpsError `RELEASE_DIRTY` when the working tree is not what is committed */
  async checkClean(): Promise<void> {
    const changes = (await this.#git('status', '--porcelain', '--untracked-files=all')).split('\n').filter(Boolean);
    if (changes.length === 0) return;
    throw new OpsError('RELEASE_DIRTY', `The working tree has changes: ${changes.slice(0, 5).join(', ')}`, {
      hint: 'What is released must be what is committed: commit them, or put them away with git stash.',
      exit: 'usage',
    });
  }

  /**
   * The commit that is released.
   * @throws OpsError `RELEASE_UNPUSHED` when the default branch of the remote does not hold it
   */
  async checkPushed(): Promise<string> {
    const { remote } = this.#options;
    await this.#network('fetch', '--quiet', '--no-tags', remote, 'HEAD');
    const head = (await this.#git('rev-parse', 'HEAD')).trim();
    const isThere = await this.#succeeds('merge-base', '--is-ancestor', head, 'FETCH_HEAD');
    if (isThere) return head;
    throw new OpsError('RELEASE_UNPUSHED', `The default branch of ${remote} does not hold ${head.slice(0, 12)}`, {
      hint: 'Releases come from what others can see: push and merge it first. A shallow clone needs git fetch --unshallow.',
      exit: 'usage',
    });
  }

  /** Name → commit, of the remote. */
  async remoteTags(): Promise<Map<string, string>> {
    const lines = (await this.#network('ls-remote', '--tags', this.#options.remote)).split('\n').filter(Boolean);
    const tags = new Map<string, string>();
    for (const line of lines) {
      const [sha = '', ref = ''] = line.split('\t');
      // An annotated tag is listed twice, the second time with the commit it names.
      tags.set(ref.replace('refs/tags/', '').replace('^{}', ''), sha);
    }
    return tags;
  }

  /**
   * A commit of a folder, whatever .gitignore says. It has no past: the history of a release is that of its source, and a
   * commit that takes workflows away from one that has them is refused to GITHUB_TOKEN. Author and times are those of the
   * source, so that the same source makes the same commit.
   */
  async commitFolder(folder: string, source: string, message: string): Promise<string> {
    const index = { GIT_INDEX_FILE: join(folder, '..', 'release.index') };
    await this.#gitWith({ ...index, GIT_WORK_TREE: folder }, 'add', '--all', '--force', '.');
    const tree = (await this.#gitWith(index, 'write-tree')).trim();
    const format = '%an%n%ae%n%aI%n%cn%n%ce%n%cI';
    const [name, email, at, committer, committerEmail, committedAt] = (
      await this.#git('show', '--no-patch', `--format=${format}`, source)
    ).split('\n');
    const env = {
      GIT_AUTHOR_NAME: name,
      GIT_AUTHOR_EMAIL: email,
      GIT_AUTHOR_DATE: at,
      GIT_COMMITTER_NAME: committer,
      GIT_COMMITTER_EMAIL: committerEmail,
      GIT_COMMITTER_DATE: committedAt,
    };
    return (await this.#gitWith(env, 'commit-tree', '--no-gpg-sign', '-m', message, tree)).trim();
  }

  /** Path → bytes. */
  async filesOf(commit: string): Promise<Map<string, number>> {
    const lines = (await this.#git('ls-tree', '-r', '-l', '-z', commit)).split('\0').filter(Boolean);
    return new Map(
      lines.map(line => {
        const [about = '', path = ''] = line.split('\t');
        return [path, Number(about.split(/\s+/)[3])];
      }),
    );
  }

  async push(args: readonly string[]): Promise<void> {
    const [options, refs] = [args.filter(arg => arg.startsWith('--')), args.filter(arg => !arg.startsWith('--'))];
    await this.#network('push', '--quiet', ...options, this.#options.remote, ...refs);
  }

  #git(...args: string[]): Promise<string> {
    return this.#gitWith({}, ...args);
  }

  async #succeeds(...args: string[]): Promise<boolean> {
    const { root: cwd, signal } = this.#options;
    const spec = { command: 'git', args, cwd, signal, errorCode: 'RELEASE_GIT', okExitCodes: [0, 1, 128] };
    return (await runChild(spec)).exitCode === 0;
  }

  /** The token is in no argument and no file: git reads this configuration from its environment. */
  #network(...args: string[]): Promise<string> {
    const { token } = this.#options;
    if (!token) return this.#gitWith({}, ...args);
    const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
    const env = {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'http.extraHeader',
      GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    };
    return this.#gitWith(env, ...args);
  }

  async #gitWith(env: Record<string, string | undefined>, ...args: string[]): Promise<string> {
    const { root, signal } = this.#options;
    const { stdout } = await runChild({
      command: 'git',
      args,
      cwd: root,
      signal,
      timeoutMs: 10 * 60_000,
      errorCode: 'RELEASE_GIT',
      name: `git ${args[0]}`,
      env: { GIT_TERMINAL_PROMPT: '0', ...(env.GIT_WORK_TREE && { GIT_DIR: join(root, '.git') }), ...env },
      hint: stderr =>
        /stale info|rejected/.test(stderr)
          ? 'Somebody released or moved a tag at the same time: look at the tags, and run it again.'
          : undefined,
    });
    return stdout;
  }
}

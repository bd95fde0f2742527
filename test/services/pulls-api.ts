import type { GitDataApi } from './git-data-api.ts';

export interface Comment {
  id: number;
  body: string;
  user: { login: string; type: 'Bot' | 'User' };
}

export interface Pull {
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  head: { ref: string; sha: string; repo: { full_name: string } | null };
  base: { ref: string };
}

export interface Artifact {
  id: number;
  run: number;
  name: string;
  zip: Uint8Array;
  expired: boolean;
}

/** Pull requests, their comments and artifacts of runs over a real repository: what a branch changes is what git says. */
export class PullsApi {
  readonly git: GitDataApi;
  readonly pulls: Pull[] = [];
  readonly comments = new Map<number, Comment[]>();
  readonly artifacts: Artifact[] = [];
  /** Who writes. */
  author: Comment['user'] = { login: 'github-actions[bot]', type: 'Bot' };
  /** How many files a page of a list holds. */
  pageSize = 100;
  #lastId = 1000;

  constructor(git: GitDataApi) {
    this.git = git;
  }

  /** Forgets everything but the repository. */
  reset(): void {
    this.pulls.length = 0;
    this.comments.clear();
    this.artifacts.length = 0;
    this.author = { login: 'github-actions[bot]', type: 'Bot' };
    this.pageSize = 100;
  }

  /** @param repository of the branch; of a fork another one (its commits are in the repository here, too, as on GitHub) */
  async open(head: string, base = 'main', title = 'A change', repository = 'acme/shop'): Promise<Pull> {
    const sha = await this.git.objects.git('rev-parse', head);
    const pull: Pull = {
      number: this.pulls.length + 1,
      title,
      body: null,
      state: 'open',
      head: { ref: head, sha, repo: { full_name: repository } },
      base: { ref: base },
    };
    this.pulls.push(pull);
    return pull;
  }

  upload(run: number, name: string, zip: Uint8Array): Artifact {
    const artifact = { id: ++this.#lastId, run, name, zip, expired: false };
    this.artifacts.push(artifact);
    return artifact;
  }

  say(number: number, body: string, user: Comment['user'] = this.author): Comment {
    const comment = { id: ++this.#lastId, body, user };
    this.commentsOf(number).push(comment);
    return comment;
  }

  commentsOf(number: number): Comment[] {
    const list = this.comments.get(number) ?? [];
    this.comments.set(number, list);
    return list;
  }

  readonly handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const path = `${request.method} ${decodeURIComponent(url.pathname).replace(/^\/repos\/acme\/shop/, '')}`;
    const body = ['POST', 'PATCH'].includes(request.method)
      ? ((await request.clone().json()) as Record<string, string>)
      : {};
    const [, kind, id = '', rest] =
      /^\w+ \/(pulls|issues)(?:\/(?:comments\/)?(\d+))?(\/files|\/comments)?$/.exec(path) ?? [];
    const number = Number(id);
    if (path === 'GET /user') return refuse(403, 'Resource not accessible by integration');
    if (path === 'GET /pulls')
      return this.#page(
        url,
        request,
        this.pulls
          .filter(({ state, head }) => state === 'open' && url.searchParams.get('head') === labelOf(head))
          .map(shown),
      );
    if (path === 'POST /pulls') {
      if (this.pulls.some(({ state, head }) => state === 'open' && head.ref === body.head))
        return refuse(422, 'A pull request already exists');
      const pull = await this.open(body.head!, body.base, body.title);
      pull.body = body.body ?? null;
      return Response.json(shown(pull), { status: 201 });
    }
    const ofRun = /^GET \/actions\/runs\/(\d+)\/artifacts$/.exec(path)?.[1];
    if (ofRun !== undefined) return this.#listArtifacts(Number(ofRun), url.searchParams.get('name'));
    const zipped = /^GET \/actions\/artifacts\/(\d+)\/zip$/.exec(path)?.[1];
    if (zipped !== undefined) return this.#redirect(Number(zipped));
    const stored = /^GET \/blob-storage\/(\d+)$/.exec(path)?.[1];
    if (stored !== undefined) return this.#download(Number(stored));
    if (/ \/issues\/comments\/\d+$/.test(path)) return this.#changeComment(request.method, number, body);
    const pull = this.pulls.find(each => each.number === number);
    if (kind === undefined) return this.git.handle(request);
    if (!pull) return refuse(404, 'Not Found');
    if (rest === '/files') return this.#page(url, request, await this.#files(pull));
    if (rest === '/comments' && request.method === 'GET') return this.#page(url, request, this.commentsOf(number));
    if (rest === '/comments') return Response.json(this.say(number, body.body!), { status: 201 });
    if (request.method === 'PATCH') Object.assign(pull, body);
    return Response.json({ ...shown(pull), changed_files: (await this.#files(pull)).length });
  };

  #listArtifacts(run: number, name: string | null): Response {
    const artifacts = this.artifacts
      .filter(each => each.run === run && (name === null || each.name === name))
      .map(({ id, name: of, zip, expired }) => ({ id, name: of, size_in_bytes: zip.length, expired }));
    return Response.json({ total_count: artifacts.length, artifacts });
  }

  /** GitHub answers with the address of a storage that takes no token of GitHub's. */
  #redirect(id: number): Response {
    return new Response(null, { status: 302, headers: { location: `/blob-storage/${id}` } });
  }

  #download(id: number): Response {
    const artifact = this.artifacts.find(each => each.id === id);
    if (!artifact) return refuse(404, 'Not Found');
    return new Response(Buffer.from(artifact.zip), { headers: { 'content-type': 'application/zip' } });
  }

  #changeComment(method: string, id: number, body: Record<string, string>): Response {
    for (const list of this.comments.values()) {
      const at = list.findIndex(comment => comment.id === id);
      if (at < 0) continue;
      if (method === 'DELETE') {
        list.splice(at, 1);
        return new Response(null, { status: 204 });
      }
      list[at]!.body = body.body!;
      return Response.json(list[at]);
    }
    return refuse(404, 'Not Found');
  }

  async #files({ head, base }: Pull): Promise<{ filename: string; status: string }[]> {
    const text = await this.git.objects.git('diff', '--name-status', '--no-renames', '-z', `${base.ref}...${head.sha}`);
    const parts = text.split('\0').filter(Boolean);
    const words: Record<string, string> = { A: 'added', M: 'modified', D: 'removed' };
    return Array.from({ length: parts.length / 2 }, (_, at) => ({
      status: words[parts[at * 2]!]!,
      filename: parts[at * 2 + 1]!,
    }));
  }

  #page(url: URL, request: Request, items: readonly unknown[]): Response {
    const page = Number(url.searchParams.get('page') ?? 1);
    const size = Math.min(this.pageSize, Number(url.searchParams.get('per_page') ?? 30));
    const rest = items.length > page * size;
    const next = `<${request.url.replace(/[?&]page=\d+/, '')}${url.search ? '&' : '?'}page=${page + 1}>; rel="next"`;
    return Response.json(items.slice((page - 1) * size, page * size), { headers: rest ? { link: next } : {} });
  }
}

function labelOf({ ref, repo }: Pull['head']): string {
  return `${repo?.full_name.split('/')[0]}:${ref}`;
}

function shown(pull: Pull) {
  return { ...pull, html_url: `https://github.example/acme/shop/pull/${pull.number}` };
}

function refuse(status: number, message: string): Response {
  return Response.json({ message }, { status });
}

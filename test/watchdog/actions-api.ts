import { createHash } from 'node:crypto';
import { z } from 'zod';

/** The Actions and contents endpoints of one repository, over what a test says is there. Reads only; strict on purpose. */
export class ActionsApi {
  /** Path → text, by branch. */
  readonly branches = new Map<string, Map<string, string>>([['main', new Map()]]);
  readonly workflows: ApiWorkflow[] = [];
  /** One page of a list; small, so that there are several. */
  pageSize = 2;

  /** Adds `.github/workflows/<file>` to what GitHub knows. */
  add(file: string, workflow: Partial<Omit<ApiWorkflow, 'path' | 'id'>> = {}): ApiWorkflow {
    const made = {
      id: 100 + this.workflows.length,
      path: file.includes('/') ? file : `.github/workflows/${file}`,
      state: 'active',
      created_at: '2025-01-01T00:00:00.000+01:00',
      runs: [],
      ...workflow,
    };
    this.workflows.push(made);
    return made;
  }

  write(path: string, text: string, branch = 'main'): void {
    const files = this.branches.get(branch) ?? new Map<string, string>();
    this.branches.set(branch, files.set(path, text));
  }

  readonly handle = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const path = decodeURIComponent(url.pathname).replace(/^\/repos\/shop\/ops\//, '');
    const query = Object.fromEntries(url.searchParams);
    if (request.method !== 'GET') return answer({ message: 'the watchdog changes nothing' }, 422);
    if (path === 'actions/workflows') return this.#listWorkflows(url, query);
    const runs = /^actions\/workflows\/(\d+)\/runs$/.exec(path);
    if (runs) return this.#listRuns(Number(runs[1]), query);
    const contents = /^contents\/(.+)$/.exec(path);
    if (contents) return this.#contents(contents[1]!, query);
    return notFound();
  };

  #listWorkflows(url: URL, query: Record<string, string>): Response {
    const { page } = listQuery.parse(query);
    const from = (page - 1) * this.pageSize;
    const shown = this.workflows.slice(from, from + this.pageSize);
    url.searchParams.set('page', String(page + 1));
    const link = from + this.pageSize < this.workflows.length ? { link: `<${url}>; rel="next"` } : undefined;
    const workflows = shown.map(({ runs: _, ...workflow }) => ({ ...workflow, name: 'x', node_id: 'W' }));
    return answer({ total_count: this.workflows.length, workflows }, 200, link);
  }

  #listRuns(id: number, query: Record<string, string>): Response {
    const { event, per_page } = runsQuery.parse(query);
    const workflow = this.workflows.find(each => each.id === id);
    if (!workflow) return notFound();
    const runs = workflow.runs
      .filter(run => event === undefined || run.event === event)
      .sort((a, b) => b.created_at.localeCompare(a.created_at));
    return answer({
      total_count: runs.length,
      workflow_runs: runs.slice(0, per_page).map(run => ({ ...run, html_url: runUrl(run.id), run_attempt: 1 })),
    });
  }

  #contents(path: string, query: Record<string, string>): Response {
    const { ref } = contentsQuery.parse(query);
    const files = this.branches.get(ref);
    if (!files) return answer({ message: `No commit found for the ref ${ref}` }, 404);
    const text = files.get(path);
    if (text !== undefined) {
      // GitHub breaks the lines of base64.
      const content = Buffer.from(text).toString('base64').replace(/.{60}/g, '$&\n');
      return answer({
        type: 'file',
        name: path.split('/').at(-1),
        path,
        sha: blobSha(text),
        encoding: 'base64',
        content,
      });
    }
    const below = [...files.keys()].filter(file => file.startsWith(`${path}/`));
    if (below.length === 0) return notFound();
    const names = new Map(
      below.map(file => {
        const [name, ...rest] = file.slice(path.length + 1).split('/');
        return [name!, rest.length > 0 ? 'dir' : 'file'];
      }),
    );
    return answer([...names].map(([name, type]) => ({ name, type, path: `${path}/${name}` })));
  }
}

export interface ApiWorkflow {
  id: number;
  path: string;
  state: string;
  created_at: string;
  runs: ApiRun[];
}

export interface ApiRun {
  id: number;
  event: string;
  created_at: string;
  status: string;
  conclusion: string | null;
}

export function runUrl(id: number): string {
  return `https://github.example/shop/ops/actions/runs/${id}`;
}

const page = z.coerce.number().int().min(1).default(1);
const perPage = z.coerce.number().int().min(1).max(100).default(30);
const listQuery = z.strictObject({ page, per_page: perPage });
const runsQuery = z.strictObject({
  event: z.enum(['schedule', 'workflow_dispatch', 'push']).optional(),
  exclude_pull_requests: z.enum(['true', 'false']).optional(),
  page,
  per_page: perPage,
});
const contentsQuery = z.strictObject({ ref: z.string().min(1).default('main') });

/** As `git hash-object` computes it. */
function blobSha(text: string): string {
  return createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');
}

function answer(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers });
}

function notFound(): Response {
  return answer({ message: 'Not Found' }, 404);
}

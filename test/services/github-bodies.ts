import { z } from 'zod';

/** What GitHub's REST documentation lets each change say, as far as this project makes such changes; strict on purpose. */
const sha = z.string().regex(/^[0-9a-f]{40}$/);
const person = z.strictObject({ name: z.string().min(1), email: z.string().includes('@'), date: z.iso.datetime() });
const labels = z.array(z.string().min(1).max(50)).max(100);
const assignees = z.array(z.string().min(1)).max(10);
// GitHub counts 65,536 characters.
const markdown = z.string().max(65_536);

const treeEntry = z
  .strictObject({
    path: z.string().regex(/^[^/].*[^/]$/),
    mode: z.enum(['100644', '100755']),
    type: z.literal('blob'),
    sha: sha.nullable().optional(),
    content: z.string().optional(),
  })
  .refine(entry => (entry.sha === undefined) !== (entry.content === undefined), 'either sha or content');

const bodies: { method: string; path: RegExp; schema: z.ZodType }[] = [
  {
    method: 'POST',
    path: /\/git\/trees$/,
    schema: z.strictObject({ base_tree: sha.optional(), tree: z.array(treeEntry).min(1) }),
  },
  {
    method: 'POST',
    path: /\/git\/blobs$/,
    schema: z.strictObject({ content: z.string(), encoding: z.enum(['utf-8', 'base64']) }),
  },
  {
    method: 'POST',
    path: /\/git\/commits$/,
    schema: z.strictObject({
      message: z.string().min(1),
      tree: sha,
      parents: z.array(sha).max(1),
      author: person.optional(),
      committer: person.optional(),
    }),
  },
  {
    method: 'POST',
    path: /\/git\/refs$/,
    schema: z.strictObject({ ref: z.string().startsWith('refs/heads/'), sha }),
  },
  // Never forced.
  {
    method: 'PATCH',
    path: /\/git\/refs\/heads\/.+$/,
    schema: z.strictObject({ sha, force: z.literal(false).optional() }),
  },
  {
    method: 'POST',
    path: /\/issues$/,
    schema: z.strictObject({
      title: z.string().min(1).max(256),
      body: markdown.optional(),
      labels: labels.optional(),
      assignees: assignees.optional(),
    }),
  },
  {
    method: 'PATCH',
    path: /\/issues\/\d+$/,
    schema: z.strictObject({
      title: z.string().min(1).max(256).optional(),
      body: markdown.optional(),
      state: z.enum(['open', 'closed']).optional(),
      state_reason: z.enum(['completed', 'not_planned', 'duplicate', 'reopened']).nullable().optional(),
      labels: labels.optional(),
      assignees: assignees.optional(),
    }),
  },
  { method: 'POST', path: /\/issues\/\d+\/comments$/, schema: z.strictObject({ body: markdown.min(1) }) },
  { method: 'PATCH', path: /\/issues\/comments\/\d+$/, schema: z.strictObject({ body: markdown.min(1) }) },
  { method: 'DELETE', path: /\/issues\/comments\/\d+$/, schema: z.strictObject({}) },
  {
    method: 'POST',
    path: /\/pulls$/,
    schema: z.strictObject({
      title: z.string().min(1).max(256),
      head: z.string().min(1),
      base: z.string().min(1),
      body: markdown.optional(),
    }),
  },
  {
    method: 'PATCH',
    path: /\/pulls\/\d+$/,
    schema: z.strictObject({ title: z.string().min(1).max(256).optional(), body: markdown.optional() }),
  },
  {
    method: 'POST',
    path: /\/merges$/,
    schema: z.strictObject({ base: z.string().min(1), head: z.string().min(1), commit_message: z.string().optional() }),
  },
  { method: 'POST', path: /\/issues\/\d+\/labels$/, schema: z.strictObject({ labels: labels.min(1) }) },
  { method: 'DELETE', path: /\/issues\/\d+\/labels\/[^/]+$/, schema: z.strictObject({}) },
  { method: 'POST', path: /\/issues\/\d+\/assignees$/, schema: z.strictObject({ assignees: assignees.min(1) }) },
  {
    method: 'POST',
    path: /\/labels$/,
    schema: z.strictObject({
      name: z.string().min(1).max(50),
      color: z
        .string()
        .regex(/^[0-9a-f]{6}$/i)
        .optional(),
      description: z.string().max(100).optional(),
    }),
  },
  // Of a change that is not offered any more, and no other label of the repository.
  {
    method: 'DELETE',
    path: /^\/repos\/[^/]+\/[^/]+\/labels\/apply-index:[a-z]+-[0-9a-f]{12}$/,
    schema: z.strictObject({}),
  },
  {
    method: 'POST',
    path: /\/actions\/workflows\/[^/]+\/dispatches$/,
    schema: z.strictObject({ ref: z.string().min(1), inputs: z.record(z.string(), z.string()).optional() }),
  },
];

/** The schema of the body of a change; undefined when this project has no business making it. */
export function requestBodySchema(method: string, path: string): z.ZodType | undefined {
  return bodies.find(body => body.method === method && body.path.test(path))?.schema;
}

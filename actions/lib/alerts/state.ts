import { z } from 'zod';
import { statusSchema } from '../reports/index.ts';

/**
 * What is known of one alert between two runs. It stands in the first line of the issue's own body, as an HTML comment
 * that a reader does not see: whoever changes the issue changes both at once, and nothing else has to be kept.
 */

export const readingSchema = z.strictObject({
  status: statusSchema,
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  unit: z.string(),
  message: z.string(),
  at: z.iso.datetime(),
  reportId: z.string(),
  runUrl: z.string().nullable(),
});

const severitySchema = z.enum(['warning', 'critical']);

const subject = { id: z.string(), target: z.string().nullable(), kind: z.string() };

/** One of the alerts that a storm's issue stands for. */
const memberSchema = z.strictObject({
  ...subject,
  severity: severitySchema,
  since: z.iso.datetime(),
  /** Well since; null while it is breached. */
  clearSince: z.iso.datetime().nullable(),
  message: z.string(),
  at: z.iso.datetime(),
});
export type Member = z.infer<typeof memberSchema>;

export const alertStateSchema = z.strictObject({
  key: z.string(),
  ...subject,
  /** As it was last announced. */
  severity: severitySchema,
  since: z.iso.datetime(),
  /** Well since; null while it is breached. */
  clearSince: z.iso.datetime().nullable(),
  /** Opened, reopened or commented. */
  notifiedAt: z.iso.datetime(),
  /** Anything of this was last written. */
  writtenAt: z.iso.datetime(),
  /** It was well, and closed for that. Null in an issue that is closed: a person closed it. */
  closedAt: z.iso.datetime().nullable(),
  /** The number of the older issue of the same alert. */
  mergedInto: z.int().nullable(),
  /** How often it was opened and reopened. */
  episodes: z.int(),
  reading: readingSchema,
  /** The last values, oldest first: seconds since 1970 and value. */
  recent: z.array(z.tuple([z.int(), z.number()])),
  /** Of a storm's issue. */
  members: z.array(memberSchema).nullable(),
  /** How many more there are than the body has room for. */
  unlisted: z.int(),
});
export type AlertState = z.infer<typeof alertStateSchema>;

const markerSchema = z.object({ v: z.literal(1), key: z.string(), state: z.unknown().optional() });

/** `<!-- ops-alert {"v":1,"key":"drill.rpo shop","state":{…}} -->` */
export function encodeMarker(state: AlertState): string {
  const { key, ...rest } = state;
  // Neither "-->" nor "--!>" may end the comment early, and "<!--" must not look like another one in it. Two dashes or an
  // angle bracket can only stand inside a JSON string, where they may be escaped.
  const json = JSON.stringify({ v: 1, key, state: rest })
    .replace(/-(?=-)/g, '\\u002d')
    .replaceAll('<', '\\u003c')
    .replaceAll('>', '\\u003e');
  return `<!-- ops-alert ${json} -->`;
}

/**
 * The marker of a body; undefined when its first line is none. Only the first line is looked at: text that a check has
 * read somewhere and that stands further down cannot pass for one. `state` is null when somebody damaged it.
 */
export function decodeMarker(body: string): { key: string; state: AlertState | null } | undefined {
  const json = /^<!-- ops-alert (\{.*\}) -->\s*$/s.exec(body.split('\n', 1)[0]!)?.[1];
  if (json === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(json);
  } catch {
    return undefined;
  }
  const marker = markerSchema.safeParse(content);
  if (!marker.success) return undefined;
  const { key } = marker.data;
  const state = alertStateSchema.safeParse({ key, ...(marker.data.state as object | undefined) });
  return { key, state: state.data ?? null };
}

import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { cell, codeSpan, inertText } from '../../markdown/index.ts';
import type { Check, Operation, Report } from '../../reports/index.ts';
import { type Gathered, gather } from '../audit/gather.ts';
import { type Finding, judge, type RuleName, ruleNames, rules } from '../audit/rules.ts';
import { counted } from '../purge/refuse.ts';

export interface AuditInput {
  /** Paths of the site or whole URLs of pages; none: those of the configuration. */
  pages: readonly string[];
  zone?: string | undefined;
}

const finding = z.strictObject({
  rule: z.enum(ruleNames as [RuleName, ...RuleName[]]),
  url: z.string(),
  message: z.string(),
  remedy: z.string().describe('The header to set, whole; what to do where no header mends it'),
});

export const auditDataSchema = z.strictObject({
  site: z.string(),
  pages: z.int(),
  assets: z.int(),
  leftOut: z.int().describe('Assets that were not looked at, since there were more than cdn.audit.mostAssets'),
  foreign: z.array(z.string()).describe('Assets of other hosts, named and not judged'),
  unreachable: z.array(z.strictObject({ url: z.string(), reason: z.string() })),
  findings: z.array(finding),
});
export type AuditData = z.infer<typeof auditDataSchema>;

const mostFindingsKept = 500;
const mostForeignKept = 50;

/** Looks at the site as visitors get it. Throws `CDN_NO_ZONE` (exit 2) when there is nothing to look at. */
export const auditOperation: Operation<AuditInput, AuditData> = {
  kind: 'cdn.audit',
  dataSchema: auditDataSchema,
  async execute(input, context) {
    const { cdn } = context.config;
    const pages = pageUrls(input, context);
    const gathered = await gather({
      zones: cdn.zones,
      pages,
      assets: [],
      mostAssets: cdn.audit.mostAssets,
      progress: context.progress,
      signal: context.signal,
    });
    const findings = gathered.facts.flatMap(facts => judge(facts, cdn.audit.ignore));
    const site = new URL(pages[0]!).host;
    const data: AuditData = {
      site,
      pages: gathered.facts.filter(facts => facts.kind === 'page').length,
      assets: gathered.facts.filter(facts => facts.kind === 'asset').length,
      leftOut: gathered.leftOut,
      foreign: gathered.foreign.slice(0, mostForeignKept),
      unreachable: gathered.unreachable.slice(0, mostForeignKept),
      findings: findings.slice(0, mostFindingsKept),
    };
    return { data, checks: [...checksOf(site, findings, cdn.audit.ignore), reached(site, gathered)] };
  },
  lines: auditLines,
  summary: auditSummary,
};

function pageUrls({ pages, zone }: AuditInput, { config }: OpsContext): string[] {
  const { zones, audit } = config.cdn;
  const base = (zones[zone ?? 'default'] ?? (zone === undefined ? Object.values(zones)[0] : undefined))?.url;
  return (pages.length > 0 ? pages : audit.pages).map(page => {
    if (/^https?:\/\//i.test(page) && URL.canParse(page)) return new URL(page).href;
    if (base && page.startsWith('/')) return new URL(base.replace(/\/+$/, '') + page).href;
    throw new OpsError(
      'CDN_NO_ZONE',
      base ? `'${page}' is neither a path nor a URL` : 'No CDN zone says where the site is',
      {
        hint: base
          ? 'Paths begin with /.'
          : 'Name the page as a whole URL, or set CDN_URL, or cdn.zones in .github/ops.yml.',
        exit: 'usage',
      },
    );
  });
}

/** One check a rule: what is well is said too, so that its alert closes. */
function checksOf(site: string, findings: readonly Finding[], ignore: readonly string[]): Check[] {
  return ruleNames
    .filter(rule => !ignore.includes(rule))
    .map(rule => {
      const broken = findings.filter(each => each.rule === rule);
      const first = broken[0];
      const message = first
        ? `${counted(broken.length, 'URL')}: ${rules[rule].title}. ${first.url} ${first.message}. Set: ${first.remedy}`
        : `No URL: ${rules[rule].title}`;
      return {
        id: `cdn.audit.${rule}`,
        target: site,
        status: first ? rules[rule].status : 'ok',
        value: broken.length,
        threshold: 0,
        unit: 'urls',
        message,
      };
    });
}

function reached(site: string, { unreachable, facts }: Gathered): Check {
  const first = unreachable[0];
  return {
    id: 'cdn.audit.reached',
    target: site,
    status: first ? 'unknown' : 'ok',
    value: unreachable.length,
    threshold: 0,
    unit: 'urls',
    message: first
      ? `${unreachable.length} of ${unreachable.length + facts.length} URLs could not be looked at: ${first.url}: ${first.reason}`
      : `${counted(facts.length, 'URL')} were looked at`,
  };
}

function auditLines({ data, checks }: Report<AuditData>): string[] {
  if (!data) return [];
  const broken = checks.filter(check => check.status !== 'ok');
  return [
    `${broken.length === 0 ? 'All well' : counted(broken.length, 'finding')}: ${counted(data.pages, 'page')} and ${counted(data.assets, 'asset')} of ${data.site}${data.leftOut > 0 ? `, ${data.leftOut} left out` : ''}`,
    ...broken.flatMap(check => {
      const rule = check.id.slice('cdn.audit.'.length) as RuleName;
      const shown = data.findings.filter(each => each.rule === rule);
      if (shown.length === 0) return [`  ${check.status}: ${check.message}`];
      return [
        `  ${check.status}: ${rules[rule].title} (${check.value})`,
        ...shown.slice(0, 5).map(each => `    ${each.url} ${each.message}\n      → ${each.remedy}`),
        ...(shown.length > 5 ? [`    and ${check.value! - 5} more`] : []),
      ];
    }),
  ];
}

function auditSummary({ data, checks, error }: Report<AuditData>): string {
  if (!data) return `## The audit failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const broken = checks.filter(check => check.status !== 'ok');
  const rows = data.findings
    .slice(0, 200)
    .map(
      each =>
        `| ${each.rule} | ${cell(codeSpan(each.url))} | ${cell(inertText(each.message))} | ${cell(codeSpan(each.remedy))} |`,
    );
  return [
    broken.length === 0 ? '## ✅ The CDN serves everything as it should' : `## ⚠️ ${counted(broken.length, 'finding')}`,
    '',
    `${counted(data.pages, 'page')} and ${counted(data.assets, 'asset')} of ${codeSpan(data.site)} were looked at.`,
    '',
    ...data.unreachable.slice(0, 10).map(({ url, reason }) => `- ❔ ${codeSpan(url)} ${inertText(reason)}`),
    ...(rows.length > 0 ? ['| rule | URL | what | set |', '|---|---|---|---|', ...rows, ''] : []),
  ].join('\n');
}

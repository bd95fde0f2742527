import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** `cdn:` in the configuration. Tokens and keys are in the environment alone. */

const httpUrl = z.url({ protocol: /^https?$/ });

const cloudflare = z.strictObject({
  kind: z.literal('cloudflare').describe('CLOUDFLARE_API_TOKEN in the environment, with the permission Cache Purge'),
  zoneId: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'must be the 32 hexadecimal digits of a zone id (dashboard, Overview, API)'),
  plan: z.enum(['free', 'pro', 'business', 'enterprise']).default('free').describe('Its limits are planned for'),
  apiUrl: httpUrl.optional(),
});

const cloudfront = z.strictObject({
  kind: z
    .literal('cloudfront')
    .describe('Credentials by the usual AWS chain, e.g. OIDC; cloudfront:CreateInvalidation'),
  distributionId: z.string().regex(/^[A-Z0-9]{10,20}$/, 'must be the id of a distribution, e.g. E2EXAMPLE1234'),
  tags: z.boolean().default(false).describe('The distribution has a CacheTagConfig'),
  freePathsPerMonth: z.int().min(0).default(1000),
  pricePerPathUsd: z.number().min(0).default(0.005),
  apiUrl: httpUrl.optional(),
});

const azure = z.strictObject({
  kind: z
    .literal('azure')
    .describe('Front Door; credentials by azure/login or the variables of the Azure SDK, or AZURE_ACCESS_TOKEN'),
  subscriptionId: z.guid(),
  resourceGroup: z.string().min(1).max(90),
  profile: z.string().min(1),
  endpoint: z.string().min(1),
  apiUrl: httpUrl.optional(),
});

const http = z.strictObject({
  kind: z.literal('http').describe('Varnish or nginx that take PURGE; CDN_PURGE_TOKEN is sent as a bearer token'),
  servers: z.array(httpUrl).min(1).describe('Every cache server: each is asked'),
  flavour: z.enum(['varnish', 'nginx']).default('varnish'),
  tags: z.boolean().default(false).describe('Varnish has the vmod xkey'),
});

const zone = z.strictObject({
  url: httpUrl.describe('Where it is served, e.g. https://img.example.org'),
  origin: httpUrl.optional().describe('The server behind it, asked directly to see what is right'),
  transform: z
    .enum(['cloudflare', 'aws', 'variants', 'none'])
    .default('none')
    .describe('What makes other sizes and formats of an image'),
});

export const cdnSchema = z.strictObject({
  zones: z
    .record(z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be lower-case, e.g. images'), zone)
    .default({})
    .describe('By name; "default" is what is meant when none is named'),
  provider: z.discriminatedUnion('kind', [cloudflare, cloudfront, azure, http]).optional(),
  manifest: z.string().min(1).optional().describe('What `ops assets optimize` wrote: sizes, formats, hashes'),
  root: z.string().min(1).default('public').describe('Folder of the repository that the site serves as /'),
  purge: z
    .strictObject({
      soft: z.boolean().default(false).describe('Mark as stale instead of remove, where the CDN can'),
      buildPath: z
        .string()
        .startsWith('/')
        .optional()
        .describe('What the origin serves here must contain the --build that is expected, before anything is purged'),
      waitForOrigin: durationSchema.prefault('2m').describe('How long the origin may take to serve the new build'),
      verifyPaths: z
        .array(z.string().startsWith('/'))
        .default([])
        .describe('Fetched to verify a purge by prefix or host that takes them, by tag, or of everything'),
      verifyMost: z.int().min(1).max(500).default(20).describe('So many URLs of one purge are fetched'),
    })
    .prefault({}),
  audit: z
    .strictObject({
      pages: z.array(z.string().startsWith('/')).default(['/']).describe('Pages whose assets are looked at'),
      mostAssets: z.int().min(1).max(2000).default(200),
      ignore: z.array(z.string().min(1)).default([]).describe('Findings that are accepted, e.g. compression'),
    })
    .prefault({}),
});

export type CdnConfig = z.output<typeof cdnSchema>;

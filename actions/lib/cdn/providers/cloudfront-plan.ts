import { batches, cannot, counted, isTag } from '../purge/refuse.ts';
import type { PlannedCall, PurgePlan, PurgeRequest } from '../purge/request.ts';

export interface CloudFrontCall {
  /** `/path`, `/folder/*` or `#tag`. */
  paths: string[];
}

export interface CloudFrontRules {
  /** The distribution has a `CacheTagConfig`: without one, tags match nothing and the call succeeds all the same. */
  hasTags: boolean;
  freePathsPerMonth: number;
  pricePerPathUsd: number;
}

// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html#limits-invalidations
const mostFilesInProgress = 3000;
const mostWildcardsInProgress = 15;
const mostPathLength = 4000;
const mostTagLength = 256;

/**
 * Invalidations, each completed before the next begins: the limits are on what is in progress in a distribution.
 * @throws OpsError `CDN_CANNOT`
 */
export function planCloudFront(request: PurgeRequest, rules: CloudFrontRules): PurgePlan<CloudFrontCall> {
  if (request.isSoft) {
    throw cannot(
      'CloudFront cannot mark as stale: it only removes',
      'Leave --soft out, or rely on Cache-Control: max-age with stale-while-revalidate.',
    );
  }
  if (request.hosts.length > 0) {
    throw cannot(
      `CloudFront purges paths, for every host of the distribution: it cannot purge ${request.hosts[0]} alone`,
      'Name paths, or tags when the distribution has them.',
    );
  }
  if (request.isEverything) return withCost([call(['/*'])], rules);
  if (request.tags.length > 0 && !rules.hasTags) {
    throw cannot(
      'This distribution is not said to have cache tags',
      'Set CacheTagConfig.HeaderName in the distribution, then cdn.provider.tags: true in .github/ops.yml.',
    );
  }
  const wildcards = unique(request.prefixes.map(prefix => checkPath(`${pathOf(prefix)}*`)));
  const covered = (path: string) => wildcards.some(wildcard => path.startsWith(wildcard.slice(0, -1)));
  // A path below a wildcard would be paid for twice.
  const paths = unique(request.urls.map(url => checkPath(pathOf(url)))).filter(path => !covered(path));
  const wildcardsInPaths = paths.filter(path => path.endsWith('*'));
  const files = paths.filter(path => !path.endsWith('*'));
  const tags = unique(request.tags.map(tagOf));
  const calls = [
    ...batches([...files, ...tags], mostFilesInProgress).map(call),
    ...batches([...wildcards, ...wildcardsInPaths], mostWildcardsInProgress).map(call),
  ];
  return withCost(calls, rules);
}

function call(paths: string[]): PlannedCall<CloudFrontCall> {
  return { summary: `invalidate ${counted(paths.length, 'path')}`, items: paths, body: { paths } };
}

/** A wildcard and a tag count as one path each. https://aws.amazon.com/cloudfront/pricing/ */
function withCost(calls: readonly PlannedCall<CloudFrontCall>[], rules: CloudFrontRules): PurgePlan<CloudFrontCall> {
  const paths = calls.reduce((sum, { items }) => sum + items.length, 0);
  const price = `$${(paths * rules.pricePerPathUsd).toFixed(paths * rules.pricePerPathUsd < 1 ? 3 : 2)}`;
  const free = rules.freePathsPerMonth.toLocaleString('en');
  const notes = [
    `${counted(paths, 'path')}: ${price} once the ${free} free ones that the account has each month are used.`,
  ];
  if (calls.length > 1)
    notes.push(`${calls.length} invalidations, one after the other: the limits are on what is in progress.`);
  return { calls, notes };
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function checkPath(path: string): string {
  const star = path.indexOf('*');
  if (star >= 0 && star < path.length - 1) {
    throw cannot(
      `CloudFront takes * only at the end of a path: ${path}`,
      'Purge the folder before the *, or list the paths.',
    );
  }
  if (path.length > mostPathLength) {
    throw cannot(`A path of ${path.length} characters is longer than CloudFront takes`, 'Purge its folder.');
  }
  return path;
}

function tagOf(tag: string): string {
  if (isTag(tag, mostTagLength)) return `#${tag}`;
  throw cannot(
    `'${tag.slice(0, 40)}' cannot be a cache tag`,
    `CloudFront's tags are up to ${mostTagLength} printable ASCII characters without spaces and commas.`,
  );
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

/** The items of one page: the answer itself, or the one list in it (`{ total_count, workflow_runs: […] }`). */
export function pageItems<T>(data: unknown): T[] {
  if (Array.isArray(data)) return data;
  if (typeof data !== 'object' || data === null) return [];
  return Object.values(data).find(value => Array.isArray(value)) ?? [];
}

/**
 * What the `Link` header says of the next page, as query parameters. The address itself is not followed: it may name
 * another host than the one the token is meant for (a proxy, GitHub Enterprise behind another name).
 */
export function nextPageParameters(link: string | undefined): Record<string, string> | undefined {
  const address = /<([^>]*)>\s*;\s*rel="next"/.exec(link ?? '')?.[1];
  if (!address) return undefined;
  const query = new URL(address, 'https://api.github.com').searchParams;
  const isPage = ([name]: [string, string]) => ['page', 'after', 'since_id', 'cursor'].includes(name);
  const next = Object.fromEntries([...query].filter(isPage));
  return Object.keys(next).length > 0 ? next : undefined;
}

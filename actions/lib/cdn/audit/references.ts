/** What a page or a style sheet loads, as absolute URLs without duplicates, in the order they stand. */

// Only these load something by themselves; links that a person follows are not assets.
const loading: readonly { tag: string; attribute: string; isList?: boolean }[] = [
  { tag: 'img', attribute: 'src' },
  { tag: 'img', attribute: 'srcset', isList: true },
  { tag: 'source', attribute: 'src' },
  { tag: 'source', attribute: 'srcset', isList: true },
  { tag: 'script', attribute: 'src' },
  { tag: 'video', attribute: 'poster' },
  { tag: 'video', attribute: 'src' },
  { tag: 'audio', attribute: 'src' },
  { tag: 'input', attribute: 'src' },
];
const loadingRelations = /^(?:.*\s)?(stylesheet|icon|apple-touch-icon|preload|modulepreload|manifest)(?:\s.*)?$/i;

export function pageReferences(html: string, pageUrl: string): string[] {
  const visible = html
    .replace(/<!--[\s\S]*?-->/g, '')
    // What is inside is no markup.
    .replace(/(<script\b[^>]*>)[\s\S]*?<\/script/gi, '$1</script')
    .replace(/(<(?:textarea|title)\b[^>]*>)[\s\S]*?<\/(?:textarea|title)/gi, '$1');
  const tags = [
    ...visible.matchAll(/<([a-z][a-z0-9-]*)((?:\s+|\/|[^\s"'>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)>/gi),
  ];
  const base = tags.find(([, name]) => name?.toLowerCase() === 'base');
  const baseUrl = resolved(attributesOf(base?.[2]).get('href'), pageUrl) ?? pageUrl;
  const found: (string | undefined)[] = [];
  for (const [, name = '', rest] of tags) {
    const tag = name.toLowerCase();
    const attributes = attributesOf(rest);
    for (const entry of loading) {
      const value = entry.tag === tag ? attributes.get(entry.attribute) : undefined;
      if (value === undefined) continue;
      const urls = entry.isList ? srcsetUrls(value) : [value];
      found.push(...urls.map(url => resolved(url, baseUrl)));
    }
    if (tag === 'link' && loadingRelations.test(attributes.get('rel') ?? ''))
      found.push(resolved(attributes.get('href'), baseUrl));
    found.push(...styleUrls(attributes.get('style') ?? '').map(url => resolved(url, baseUrl)));
  }
  for (const [, css = ''] of visible.matchAll(/<style\b[^>]*>([\s\S]*?)<\/style/gi))
    found.push(...styleUrls(css).map(url => resolved(url, baseUrl)));
  return unique(found);
}

export function styleReferences(css: string, sheetUrl: string): string[] {
  return unique(styleUrls(css).map(url => resolved(url, sheetUrl)));
}

function styleUrls(css: string): string[] {
  const plain = css.replace(/\/\*[\s\S]*?\*\//g, '');
  const urls = [...plain.matchAll(/url\(\s*(?:"([^"]*)"|'([^']*)'|([^)\s"']+))\s*\)/gi)];
  const imports = [...plain.matchAll(/@import\s+(?:"([^"]*)"|'([^']*)')/gi)];
  return [...urls, ...imports].map(match => match[1] ?? match[2] ?? match[3] ?? '');
}

/** Candidates are divided by commas that follow white space or a descriptor: a URL may hold a comma itself. */
function srcsetUrls(srcset: string): string[] {
  return [...srcset.matchAll(/([^\s,][^\s]*[^\s,]|[^\s,])(?:\s+[^,\s]+)?\s*(?:,|$)/g)].map(([, url]) => url ?? '');
}

function attributesOf(text = ''): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', double, single, bare] of text.matchAll(
    /([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g,
  ))
    attributes.set(name.toLowerCase(), decoded(double ?? single ?? bare ?? ''));
  return attributes;
}

/** The references that can stand in a URL. */
function decoded(text: string): string {
  return text
    .replace(/&#x([0-9a-f]{1,6});/gi, (_, hex) => String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff)))
    .replace(/&#(\d{1,7});/g, (_, digits) => String.fromCodePoint(Math.min(Number(digits), 0x10ffff)))
    .replace(/&quot;/gi, '"')
    .replace(/&amp;/gi, '&');
}

function resolved(url: string | undefined, base: string): string | undefined {
  if (!url || !URL.canParse(url, base)) return undefined;
  const absolute = new URL(url, base);
  absolute.hash = '';
  return /^https?:$/.test(absolute.protocol) ? absolute.href : undefined;
}

function unique(urls: readonly (string | undefined)[]): string[] {
  return [...new Set(urls.filter(url => url !== undefined))];
}

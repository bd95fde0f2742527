import { type DefaultTreeAdapterTypes, parse } from 'parse5';

type Element = DefaultTreeAdapterTypes.Element;
type ParentNode = DefaultTreeAdapterTypes.ParentNode;

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
const loadingRelations = new Set(['stylesheet', 'icon', 'apple-touch-icon', 'preload', 'modulepreload', 'manifest']);

/** Parsed as browsers do: what stands in comments, scripts and text is no markup, and no text can make it slow. */
export function pageReferences(html: string, pageUrl: string): string[] {
  const elements = [...elementsOf(parse(html, { scriptingEnabled: false }))];
  const base = elements.find(element => element.tagName === 'base');
  const baseUrl = resolved(base && attributeOf(base, 'href'), pageUrl) ?? pageUrl;
  return unique(elements.flatMap(loadedBy).map(url => resolved(url, baseUrl)));
}

function loadedBy(element: Element): string[] {
  const given = (name: string) => attributeOf(element, name) ?? '';
  const found = loading
    .filter(({ tag }) => tag === element.tagName)
    .flatMap(({ attribute, isList }) => (isList ? srcsetUrls(given(attribute)) : [given(attribute)]));
  if (element.tagName === 'link' && isLoadingLink(given('rel')))
    found.push(given('href'), ...srcsetUrls(given('imagesrcset')));
  if (element.tagName === 'style') found.push(...styleUrls(textOf(element)));
  found.push(...styleUrls(given('style')));
  return found;
}

function isLoadingLink(rel: string): boolean {
  return rel
    .toLowerCase()
    .split(/\s/)
    .some(relation => loadingRelations.has(relation));
}

/** In the order of the document, those inside templates among them; however deep, on no stack but this list. */
function* elementsOf(document: ParentNode): Generator<Element> {
  const waiting: DefaultTreeAdapterTypes.ChildNode[] = document.childNodes.toReversed();
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (!('tagName' in node)) continue;
    yield node;
    for (const child of ('content' in node ? node.content : node).childNodes.toReversed()) waiting.push(child);
  }
}

function attributeOf({ attrs }: Element, name: string): string | undefined {
  return attrs.find(attribute => attribute.name === name)?.value;
}

function textOf({ childNodes }: Element): string {
  return childNodes.map(child => ('value' in child ? child.value : '')).join('');
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

/** https://html.spec.whatwg.org/#parse-a-srcset-attribute: a URL may hold commas, and ends at white space. */
function srcsetUrls(srcset: string): string[] {
  const urls: string[] = [];
  for (let at = 0; at < srcset.length; ) {
    const [skipped = ''] = match(/[\s,]*/y, srcset, at);
    const [url = ''] = match(/\S*/y, srcset, at + skipped.length);
    at += skipped.length + url.length;
    if (url === '') break;
    urls.push(url.replace(/,+$/, ''));
    if (url.endsWith(',')) continue;
    const [descriptors = ''] = match(/(?:\([^)]*\)?|[^,(])*/y, srcset, at);
    at += descriptors.length;
  }
  return urls;
}

function match(sticky: RegExp, text: string, at: number): readonly string[] {
  sticky.lastIndex = at;
  return sticky.exec(text) ?? [];
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

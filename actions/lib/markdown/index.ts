/**
 * Text from elsewhere (messages of checks, names of databases and files) in the Markdown of GitHub: it must look as it was
 * written, and do nothing. GitHub turns `@name` into a notification, `#1` and `owner/repo#1` into a reference, and an
 * address into a link; none of these happens inside a code span.
 */

/** Prose on one line. */
export function inertText(text: string): string {
  return flat(text)
    .split(/(\bhttps?:\/\/[^\s<>"'`]+|\bwww\.[^\s<>"'`]+)/i)
    .map((part, index) => (index % 2 === 1 ? codeSpan(part) : escapeMarkdown(part)))
    .join('');
}

/** An identifier, as it is. */
export function codeSpan(text: string): string {
  const plain = flat(text);
  if (plain === '') return '` `';
  const fence = '`'.repeat(longestRun(plain) + 1);
  // One space at each end is taken away again (CommonMark 6.1), and keeps a backtick at an end apart from the fence.
  const pad = /^`|`$|^ .* $/.test(plain) ? ' ' : '';
  return `${fence}${pad}${plain}${pad}${fence}`;
}

/** A cell of a table: a bar ends it even inside a code span (GFM 4.10). */
export function cell(markdown: string): string {
  return markdown.replaceAll('|', '\\|');
}

export function codeBlock(lines: readonly string[], language = ''): string {
  const content = lines.map(flat);
  const fence = '`'.repeat(Math.max(3, ...content.map(line => longestRun(line) + 1)));
  return [`${fence}${language}`, ...content, fence].join('\n');
}

/** A link; the text alone when the address is none that a browser should open. */
export function link(text: string, address: string): string {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return escapeMarkdown(text);
  const safe = new URL(address).href.replace(/[<>()\\\s]/g, c => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `[${escapeMarkdown(text)}](${safe})`;
}

/** On one line, without control characters and without those that change the direction of what follows. */
export function flat(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
    .trim();
}

function escapeMarkdown(text: string): string {
  return (
    text
      .replace(/[\\`*_{}[\]()<>#+\-.!|~&$:=]/g, c =>
        c === '<' ? '&lt;' : c === '>' ? '&gt;' : c === '&' ? '&amp;' : `\\${c}`,
      )
      // A backslash does not stop GitHub from seeing a mention or a reference; a space without width does.
      .replace(/@/g, '@\u200b')
      .replace(/\\#/g, '\\#\u200b')
      .replace(/\bGH\\-(?=\d)/gi, 'GH\\-\u200b')
  );
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}

import { minify } from 'html-minifier-next';
import { LeftAsItIs, type Minified } from './outcome.ts';

/**
 * HTML with less space and fewer comments, and nothing else: attributes, quotes, optional tags and the doctype stay, since
 * a selector, a script or the browser's mode may depend on them. Scripts and styles stay byte for byte: a
 * Content-Security-Policy may name their hash, and JSON in them would lose digits.
 *
 * @throws LeftAsItIs `invalid` for markup that a browser would have to repair
 */
export async function minifyHtml(code: string): Promise<Minified> {
  const { masked, restore } = mask(code);
  let made: string;
  try {
    made = await minify(masked, {
      caseSensitive: true,
      keepClosingSlash: true,
      // Space is made less, never none: between two words, or two inline blocks, one is as good as ten.
      collapseWhitespace: !isSpaceStyled(code),
      conservativeCollapse: true,
      canCollapseWhitespace: (tag, attributes, byDefault) => byDefault(tag) && !keepsSpace(attributes),
      // Asked about no element at all, too.
      canTrimWhitespace: (tag, attributes, byDefault) => byDefault(tag ?? '') && !keepsSpace(attributes ?? []),
      removeComments: true,
      // What servers, editors, frameworks and search engines read: SSI, ESI, Knockout, licences, conditional comments.
      ignoreCustomComments: [
        /^!/,
        /^\s*#/,
        /^\s*\/?ko\b/,
        /^\s*\/?esi\b/,
        /^\s*\/?wp:/,
        /^\s*\[|\]>?$/,
        /google(on|off)/,
        /^\s*\$|^\/\$/,
        /^\s*\/?\s*@?(license|copyright)/i,
      ],
      ignoreCustomFragments: [/<%[\s\S]*?%>/, /<\?[\s\S]*?\?>/, /\{\{[\s\S]*?\}\}/, /\{%[\s\S]*?%\}/],
      // Here only for what is masked: a mask is no JSON.
      continueOnMinifyError: true,
      continueOnParseError: false,
    });
  } catch (error) {
    throw new LeftAsItIs('invalid', (error as Error).message.split('\n')[0] ?? 'it cannot be parsed');
  }
  return { code: restore(made), tool: 'html-minifier-next' };
}

/**
 * What must stay byte for byte, behind a word each: bodies of scripts and styles, and of `pre` and `textarea`, whose last
 * line break the minifier would take. What only looks like one, in a comment, is put back just the same.
 */
function mask(code: string): { masked: string; restore: (made: string) => string } {
  const bodies: string[] = [];
  // A word that the file does not hold.
  let word = 'ops-mask';
  while (code.includes(word)) word += '-';
  const elements =
    /<!--[\s\S]*?-->|(<(script|style|pre|textarea)\b(?:[^>"']|"[^"]*"|'[^']*')*>)([\s\S]*?)(?=<\/\2[\s/>])/gi;
  const masked = code.replace(elements, (whole, tag: string | undefined, _name, body: string) => {
    if (tag === undefined || body === '') return whole;
    bodies.push(body);
    return `${tag}${word}${bodies.length - 1}.`;
  });
  return {
    masked,
    restore: made =>
      made.replace(new RegExp(`${RegExp.escape(word)}(\\d+)\\.`, 'g'), (_, at) => bodies[Number(at)] ?? ''),
  };
}

/** A style sheet in the page that gives space a meaning: which elements it is about would take a browser to know. */
function isSpaceStyled(code: string): boolean {
  return [...code.matchAll(/<style\b[^>]*>([\s\S]*?)<\/style/gi)].some(([, css]) => spaceMatters.test(css ?? ''));
}

const spaceMatters = /white-space(-collapse)?\s*:\s*(pre|break-spaces|preserve)/i;

function keepsSpace(attributes: readonly { name: string; value?: string | undefined }[]): boolean {
  return attributes.some(
    ({ name, value = '' }) =>
      /^(contenteditable|xml:space)$/i.test(name) || (/^style$/i.test(name) && spaceMatters.test(value)),
  );
}

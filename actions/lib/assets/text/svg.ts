import { optimize } from 'svgo';
import { LeftAsItIs, type Minified } from './outcome.ts';

/**
 * SVG with shorter numbers and without what only an editor reads. Elements, ids, classes, `viewBox`, titles and
 * descriptions stay where they are, so that style sheets, scripts, sprites and screen readers find them.
 *
 * Nothing in it is run or fetched: an SVG with a script, an event handler, an entity or a reference to another document is
 * left as it is.
 *
 * @throws LeftAsItIs `unsafe`, `invalid`, `encoding`, `unsure`
 */
export function minifySvg(code: string): Minified {
  refuseUnsafe(code);
  const floatPrecision = precisionFor(code);
  // Its author's name and the licence, in RDF.
  const hasRights = /<(cc:license|cc:work|dc:rights|dc:creator|dc:publisher)\b/i.test(code);
  let made: string;
  try {
    made = optimize(code, {
      multipass: true,
      plugins: [
        'removeXMLProcInst',
        'removeDoctype',
        { name: 'removeComments', params: { preservePatterns: [/^!/, /licen[cs]e|copyright|©/i] } },
        // `dc` is among its editors.
        ...(hasRights ? [] : (['removeMetadata', 'removeEditorsNSData'] as const)),
        'cleanupAttrs',
        { name: 'cleanupNumericValues', params: { floatPrecision } },
        { name: 'cleanupListOfValues', params: { floatPrecision } },
        { name: 'convertColors', params: { currentColor: false } },
        ...(isMoving(code)
          ? []
          : ([
              { name: 'convertPathData', params: { floatPrecision, transformPrecision: floatPrecision + 2 } },
              { name: 'convertTransform', params: { floatPrecision, transformPrecision: floatPrecision + 2 } },
            ] as const)),
        'removeUnusedNS',
      ],
    }).data;
  } catch (error) {
    const { message, reason, line, column } = error as Error & { reason?: string; line?: number; column?: number };
    const at = line === undefined ? '' : `line ${line}, column ${column}: `;
    throw new LeftAsItIs('invalid', `${at}${reason ?? message.split('\n')[0]}`);
  }
  // Of a file that was cut off nothing may be left, without an error.
  if (!/<\/(\w+:)?svg>\s*$|<(\w+:)?svg\b[^<]*\/>\s*$/.test(made)) throw new LeftAsItIs('invalid', 'it has no end');
  if (viewBoxOf(made) !== viewBoxOf(code)) throw new LeftAsItIs('unsure', 'its viewBox would have changed');
  const kept = new Set(idsOf(made));
  const lost = idsOf(code).find(id => !kept.has(id));
  if (lost !== undefined) throw new LeftAsItIs('unsure', `the id '${lost.slice(0, 60)}' would have been lost`);
  return { code: made, tool: 'svgo' };
}

function refuseUnsafe(code: string): void {
  if (/<!DOCTYPE[^>[]*\[/i.test(code) || /<!ENTITY/i.test(code)) {
    throw new LeftAsItIs('unsafe', 'it declares entities, which are not resolved here; remove the DOCTYPE');
  }
  if (/<(\w+:)?script\b/i.test(code)) throw new LeftAsItIs('unsafe', 'it holds a script, which is not run here');
  // SVG 2, 13.3 and javascript: addresses.
  const handler = /<[^<>]*\s(on[a-z]+)\s*=/i.exec(code)?.[1];
  if (handler) throw new LeftAsItIs('unsafe', `it holds an event handler (${handler}), which is not run here`);
  if (/=\s*["']?\s*javascript:/i.test(code)) throw new LeftAsItIs('unsafe', 'it holds a javascript: address');
  if (/<(\w+:)?foreignObject\b/i.test(code)) throw new LeftAsItIs('unsafe', 'it holds HTML (foreignObject)');
  const reference = externalReference(code);
  if (reference) {
    throw new LeftAsItIs('unsafe', `it refers to ${reference.slice(0, 80)}, which is not fetched here`);
  }
  const encoding = /^\s*<\?xml[^>]*\bencoding\s*=\s*["']([^"']+)/i.exec(code)?.[1];
  if (encoding && !/^(utf-?8|us-ascii)$/i.test(encoding)) {
    throw new LeftAsItIs('encoding', `it says that its encoding is ${encoding}, and it is read as UTF-8`);
  }
}

/** What the browser would load with it: images, fonts, style sheets, `use` of another file. Links that are clicked are not. */
function externalReference(code: string): string | undefined {
  for (const [tag, name] of code.matchAll(/<([a-z][\w:.-]*)\b[^<>]*>/gi)) {
    if (name?.toLowerCase() === 'a') continue;
    const target = /\s(?:xlink:)?href\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(tag);
    const address = (target?.[1] ?? target?.[2] ?? '').trim();
    if (address !== '' && !/^(#|data:)/i.test(address)) return address;
  }
  const urls = code.matchAll(/url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')/gi);
  for (const [, a, b, c, d, e] of urls) {
    const address = (a ?? b ?? c ?? d ?? e ?? '').trim();
    if (address !== '' && !/^(#|data:|&quot;#|&apos;#)/i.test(address)) return address;
  }
  return /<\?xml-stylesheet\b[^>]*href\s*=\s*["']([^"']*)/i.exec(code)?.[1];
}

/** Animations and style sheets may speak of a path or a transform as it is written. */
function isMoving(code: string): boolean {
  return /<(\w+:)?(animate|animateTransform|animateMotion|set)\b/i.test(code) || /@keyframes/i.test(code);
}

/**
 * Digits behind the point: a 24,000th of the picture, which no screen shows, and never fewer than three. An icon of one
 * unit needs five.
 */
function precisionFor(code: string): number {
  const [, , width, height] = (viewBoxOf(code) ?? '').split(/[\s,]+/).map(Number);
  const smallest = Math.min(width || 24, height || 24);
  return Math.min(8, Math.max(3, Math.ceil(Math.log10(24_000 / smallest))));
}

function viewBoxOf(code: string): string | undefined {
  const root = /<(?:\w+:)?svg\b[^>]*>/i.exec(code)?.[0] ?? '';
  const value = /\sviewBox\s*=\s*(?:"([^"]*)"|'([^']*)')/.exec(root);
  return (value?.[1] ?? value?.[2])
    ?.trim()
    .split(/[\s,]+/)
    .map(Number)
    .join(' ');
}

function idsOf(code: string): string[] {
  return [...code.matchAll(/\sid\s*=\s*(?:"([^"]*)"|'([^']*)')/g)].map(([, a, b]) => a ?? b ?? '');
}

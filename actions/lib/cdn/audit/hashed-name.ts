/**
 * Whether the content is in the name, so that the name changes with it: `app.3f9a1c02.js` (webpack), `index-B3x9_kQz.css`
 * (Vite), `main.CHASH12345.js`. A word or a version is none: `jquery-3.7.1.min.js`, `photo-landscape.jpg`.
 */
export function isHashedName(pathname: string): boolean {
  const file = pathname.split('/').at(-1) ?? '';
  const parts = file
    .split('.')
    .slice(0, -1)
    .flatMap(part => [part, ...suffixes(part)]);
  return parts.some(isHash);
}

/** Each end of `index-B3x9_kQz` that follows a dash: the hash itself may hold dashes. */
function suffixes(part: string): string[] {
  return [...part.matchAll(/-/g)].map(dash => part.slice(dash.index + 1));
}

function isHash(text: string): boolean {
  if (/^(?=.*\d)[0-9a-f]{8,64}$/.test(text)) return !/^\d+$/.test(text);
  if (/^(?=.*\d)[0-9A-Z]{8,32}$/.test(text)) return !/^\d+$/.test(text);
  if (!/^[A-Za-z0-9_-]{8,32}$/.test(text) || text.length > 22) return false;
  // Words have their capitals at their beginnings, and numbers at their ends.
  const isMixed = /[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text);
  return isMixed && !/^(?:[A-Z]?[a-z]+[-_]?)+\d*$/.test(text);
}

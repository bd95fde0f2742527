/** `backup.*`: a star stands for any characters, a question mark for one. */
export function matchesPattern(pattern: string, text: string): boolean {
  const source = [...pattern].map(c => (c === '*' ? '.*' : c === '?' ? '.' : RegExp.escape(c))).join('');
  return new RegExp(`^${source}$`, 's').test(text);
}

export function matchesAny(patterns: readonly string[], text: string): boolean {
  return patterns.some(pattern => matchesPattern(pattern, text));
}

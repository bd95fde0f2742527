/**
 * Whether a path of the tree matches a glob: `*`, `?`, `**`, `{a,b}` and `[a-z]`, in whatever case, names that begin with a
 * dot included. The same rules for budgets and for the paths that GitHub names as for the tree itself.
 */
export function matchesGlob(glob: string, path: string): boolean {
  let pattern = compiled.get(glob);
  if (!pattern) {
    pattern = new RegExp(`^(?:${expandBraces(glob).map(sourceOf).join('|')})$`, 'is');
    compiled.set(glob, pattern);
  }
  return pattern.test(path);
}

const compiled = new Map<string, RegExp>();

export function matchesAnyGlob(globs: readonly string[], path: string): boolean {
  return globs.some(glob => matchesGlob(glob, path));
}

function sourceOf(glob: string): string {
  let source = '';
  for (let at = 0; at < glob.length; ) {
    const rest = glob.slice(at);
    const token = /^(?:\*\*\/|\*\*|\*|\?|\[!?[^\]/]+\]|\\.)/.exec(rest)?.[0] ?? rest[0]!;
    const isAtStart = at === 0 || glob[at - 1] === '/';
    at += token.length;
    if (token === '**/' && isAtStart) source += '(?:[^/]+/)*';
    else if (token === '**' && isAtStart && at === glob.length) source += '.*';
    else if (token.startsWith('*')) source += token.endsWith('/') ? '[^/]*/' : '[^/]*';
    else if (token === '?') source += '[^/]';
    else if (token.startsWith('[') && token.length > 1)
      source += `(?!/)[${token.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\')}]`;
    else source += RegExp.escape(token.length === 2 && token[0] === '\\' ? token[1]! : token);
  }
  return source;
}

/** `a.{b,c{d,e}}` is `a.b`, `a.cd`, `a.ce`. An unpaired brace is a brace. */
function expandBraces(glob: string): string[] {
  let depth = 0;
  let start = -1;
  const commas: number[] = [];
  for (let at = 0; at < glob.length; at++) {
    const character = glob[at];
    if (character === '\\') at++;
    else if (character === '{') {
      if (depth === 0) start = at;
      depth++;
    } else if (character === ',' && depth === 1) commas.push(at);
    else if (character === '}' && depth > 0 && --depth === 0) {
      if (commas.length === 0)
        return expandBraces(`${glob.slice(0, start)}\\{${glob.slice(start + 1, at)}\\}${glob.slice(at + 1)}`);
      const edges = [start, ...commas, at];
      const parts = edges.slice(1).map((end, index) => glob.slice(edges[index]! + 1, end));
      return parts.flatMap(part => expandBraces(`${glob.slice(0, start)}${part}${glob.slice(at + 1)}`));
    }
  }
  return [glob];
}

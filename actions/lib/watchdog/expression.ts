/** A value of the expression language of workflows; `undefined` is one that is not known here. */
export type Value = string | number | boolean | null | undefined;

/** What a name such as `github.event.schedule` stands for; `undefined` when that is not known here. */
export type Lookup = (name: string) => Value;

/**
 * The text of a workflow's key with its `${{ }}` evaluated, as far as that can be done without running it: literals,
 * names, `!`, comparisons, `&&`, `||`, parentheses and status functions. Whatever depends on something else is unknown.
 * https://docs.github.com/actions/reference/workflows-and-actions/expressions
 */
export function evaluateText(text: string, lookup: Lookup): Value {
  const whole = /^\s*\$\{\{((?:(?!\}\})[\s\S])*)\}\}\s*$/.exec(text);
  if (whole) return evaluate(whole[1]!, lookup);
  let isKnown = true;
  const filled = text.replace(/\$\{\{([\s\S]*?)\}\}/g, (_match, expression: string) => {
    const value = evaluate(expression, lookup);
    if (value === undefined) isKnown = false;
    return String(value ?? '');
  });
  return isKnown ? filled : undefined;
}

/** An `if:`, which is an expression with or without `${{ }}`. Undefined when it is not known. */
export function evaluateCondition(text: string, lookup: Lookup): boolean | undefined {
  const value = text.includes('${{') ? evaluateText(text, lookup) : evaluate(text, lookup);
  return value === undefined ? undefined : isTrue(value);
}

function evaluate(expression: string, lookup: Lookup): Value {
  const tokens = tokensOf(expression);
  if (!tokens) return undefined;
  const parser = new Parser(tokens, lookup);
  const value = parser.or();
  return parser.isAtEnd ? value : undefined;
}

const tokenPattern =
  /\s*(?:(\d+(?:\.\d+)?)|'((?:[^']|'')*)'|([A-Za-z_][\w-]*(?:\.(?:[A-Za-z_][\w-]*|\*))*)|(==|!=|<=|>=|&&|\|\||[!<>()[\],]))/y;

type Token =
  | { kind: 'value'; value: string | number }
  | { kind: 'name'; name: string }
  | { kind: 'sign'; sign: string };

function tokensOf(expression: string): Token[] | undefined {
  const tokens: Token[] = [];
  const text = expression.trimEnd();
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const match = tokenPattern.exec(text);
    if (!match) return undefined;
    const [, number, string, name, sign] = match;
    if (number !== undefined) tokens.push({ kind: 'value', value: Number(number) });
    else if (string !== undefined) tokens.push({ kind: 'value', value: string.replaceAll("''", "'") });
    else if (name !== undefined) tokens.push({ kind: 'name', name });
    else tokens.push({ kind: 'sign', sign: sign! });
  }
  return tokens;
}

/** By descent, loosest binding first. What it does not know it reads on past as unknown. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #lookup: Lookup;
  #at = 0;

  constructor(tokens: readonly Token[], lookup: Lookup) {
    this.#tokens = tokens;
    this.#lookup = lookup;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  or(): Value {
    let left = this.#and();
    while (this.#takes('||')) {
      const right = this.#and();
      // Unknown or true is true, but which of the two values it would be is not known unless it is only tested.
      left = left === undefined ? undefined : isTrue(left) ? left : right;
    }
    return left;
  }

  #and(): Value {
    let left = this.#comparison();
    while (this.#takes('&&')) {
      const right = this.#comparison();
      const isSurelyFalse = right !== undefined && !isTrue(right);
      left = left === undefined ? (isSurelyFalse ? false : undefined) : isTrue(left) ? right : left;
    }
    return left;
  }

  #comparison(): Value {
    let left = this.#not();
    for (;;) {
      const sign = ['==', '!=', '<=', '>=', '<', '>'].find(each => this.#takes(each));
      if (!sign) return left;
      left = compare(left, sign, this.#not());
    }
  }

  #not(): Value {
    if (!this.#takes('!')) return this.#primary();
    const value = this.#not();
    return value === undefined ? undefined : !isTrue(value);
  }

  #primary(): Value {
    if (this.#takes('(')) {
      const value = this.or();
      this.#takes(')');
      return value;
    }
    const token = this.#tokens[this.#at];
    if (!token || token.kind === 'sign') return undefined;
    this.#at++;
    if (token.kind === 'value') return token.value;
    const name = token.name.toLowerCase();
    if (this.#takes('(')) {
      this.#skipTo(')');
      return statusFunctions.get(name);
    }
    let isIndexed = false;
    while (this.#takes('[')) {
      this.#skipTo(']');
      isIndexed = true;
    }
    if (isIndexed) return undefined;
    return constants.has(name) ? constants.get(name) : this.#lookup(token.name);
  }

  #takes(sign: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'sign' || token.sign !== sign) return false;
    this.#at++;
    return true;
  }

  #skipTo(close: string): void {
    const open = close === ')' ? '(' : '[';
    for (let depth = 1; depth > 0 && !this.isAtEnd; this.#at++) {
      const token = this.#tokens[this.#at];
      if (token?.kind !== 'sign') continue;
      if (token.sign === open) depth++;
      if (token.sign === close) depth--;
    }
  }
}

const constants = new Map<string, Value>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** What they are in a run in which everything went well so far. */
const statusFunctions = new Map<string, Value>([
  ['always', true],
  ['success', true],
  ['failure', false],
  ['cancelled', false],
]);

function isTrue(value: Value): boolean {
  return value !== undefined && value !== null && value !== false && value !== '' && value !== 0;
}

/** Strings are compared without regard to case; values of different types as numbers. */
function compare(left: Value, sign: string, right: Value): Value {
  if (left === undefined || right === undefined) return undefined;
  const isText = typeof left === 'string' && typeof right === 'string';
  const [a, b] = isText ? [left.toLowerCase(), right.toLowerCase()] : [toNumber(left), toNumber(right)];
  switch (sign) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

function toNumber(value: string | number | boolean | null): number {
  return typeof value === 'string' && value.trim() === '' ? 0 : Number(value);
}

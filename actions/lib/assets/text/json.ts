import { LeftAsItIs, type Minified } from './outcome.ts';

/**
 * JSON without the space between its tokens. Every token stays byte for byte: numbers keep their digits, keys that come
 * twice come twice, escapes stay as they are written. (JSON.parse and stringify would change all three.) No recursion: a
 * file nested a million deep is a file like any other.
 *
 * @throws LeftAsItIs `invalid` for what RFC 8259 does not allow, with line and column
 */
export function minifyJson(text: string): Minified {
  const scanner = new Scanner(text);
  return { code: scanner.document(), tool: 'json' };
}

const space = /[ \t\n\r]*/y;
// RFC 8259, 7: no control characters inside, and only these escapes.
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const word = /true|false|null/y;

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';

class Scanner {
  readonly #text: string;
  #at = 0;
  readonly #parts: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  document(): string {
    /** `true` for an object. */
    const open: boolean[] = [];
    let expected: Expected = 'value';
    const afterValue = (): Expected => (open.length > 0 ? 'comma or end' : 'nothing');
    for (;;) {
      this.#skipSpace();
      const next = this.#text[this.#at];
      if (next === undefined) {
        if (expected === 'nothing') return this.#parts.join('');
        throw this.#wrong('it ends too early');
      }
      switch (expected) {
        case 'nothing':
          throw this.#wrong('something follows the value');
        case 'key or end':
        case 'key':
          if (next === '}' && expected === 'key or end') {
            open.pop();
            this.#take(next);
            expected = afterValue();
          } else {
            if (next !== '"' || !this.#match(string)) throw this.#wrong('a key in double quotes is expected');
            expected = 'colon';
          }
          break;
        case 'colon':
          if (next !== ':') throw this.#wrong("':' is expected");
          this.#take(next);
          expected = 'value';
          break;
        case 'comma or end': {
          const isObject = open.at(-1);
          if (next === ',') expected = isObject ? 'key' : 'value';
          else if (next === (isObject ? '}' : ']')) {
            open.pop();
            expected = afterValue();
          } else throw this.#wrong(`',' or '${isObject ? '}' : ']'}' is expected`);
          this.#take(next);
          break;
        }
        default:
          if (next === ']' && expected === 'value or end') {
            open.pop();
            this.#take(next);
            expected = afterValue();
          } else if (next === '{' || next === '[') {
            open.push(next === '{');
            this.#take(next);
            expected = next === '{' ? 'key or end' : 'value or end';
          } else {
            if (!this.#match(next === '"' ? string : /[-\d]/.test(next) ? number : word))
              throw this.#wrong('this is not a value of JSON');
            expected = afterValue();
          }
      }
    }
  }

  #skipSpace(): void {
    space.lastIndex = this.#at;
    space.test(this.#text);
    this.#at = space.lastIndex;
  }

  #take(character: string): void {
    this.#parts.push(character);
    this.#at += character.length;
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const token = pattern.exec(this.#text)?.[0];
    if (!token) return false;
    this.#take(token);
    return true;
  }

  #wrong(what: string): LeftAsItIs {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    return new LeftAsItIs('invalid', `line ${line}, column ${this.#at - before.lastIndexOf('\n')}: ${what}`);
  }
}

/**
 * The secret values of this process. Whatever leaves it for a person or a file — log lines, reports, issues,
 * error messages — passes through `redact` first.
 */
export class Secrets {
  readonly #values = new Set<string>();
  readonly #onAdd: (value: string) => void;

  /** @param onAdd told of each new value, e.g. to mask it in the Actions log as well */
  constructor(onAdd: (value: string) => void = () => {}) {
    this.#onAdd = onAdd;
  }

  /** Remembers a secret. Values under four characters are ignored: they would blot out ordinary text. */
  add(value: string | undefined): void {
    if (value === undefined) return;
    for (const form of formsOf(value)) {
      if (form.length < 4 || this.#values.has(form)) continue;
      this.#values.add(form);
      this.#onAdd(form);
    }
  }

  /** Remembers the password inside a URL, as written and decoded. */
  addUrl(url: string | undefined): void {
    if (url === undefined) return;
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i.exec(url)?.[1];
    if (password) this.#addPassword(password);
    const inQuery = /[?&]password=([^&#]+)/i.exec(url)?.[1];
    if (inQuery) this.#addPassword(inQuery);
  }

  /** As written, decoded, and encoded anew: programs print it in either form. */
  #addPassword(written: string): void {
    const plain = decodeOrKeep(written);
    for (const form of [written, plain, encodeURIComponent(plain)]) this.add(form);
  }

  redact(text: string): string {
    let out = text;
    // Longest first, so that a secret which contains another one is replaced whole.
    for (const value of [...this.#values].sort((a, b) => b.length - a.length)) out = out.replaceAll(value, '***');
    return out;
  }

  /** A deep copy of a JSON value with every string redacted. */
  redactJson<T>(value: T): T {
    return JSON.parse(JSON.stringify(value), (_key, v) => (typeof v === 'string' ? this.redact(v) : v)) as T;
  }
}

function formsOf(value: string): string[] {
  const lines = value.split('\n').map(line => line.trim());
  return lines.length > 1 ? [value, ...lines.filter(line => line.length >= 12)] : [value];
}

function decodeOrKeep(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

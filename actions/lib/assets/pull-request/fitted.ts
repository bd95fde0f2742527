import { mostBodyCharacters } from '../../github/index.ts';

/** The text with as many rows in its tables as fit. @param make says itself what it left out */
export function fitted(make: (mostRows: number) => string): string {
  for (const mostRows of [50, 20, 5]) {
    const text = make(mostRows);
    if (text.length <= mostBodyCharacters) return text;
  }
  return make(0).slice(0, mostBodyCharacters);
}

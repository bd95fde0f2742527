/** GitHub takes 65,536 characters of a comment or a pull request, and a marker comes before them. */
const mostCharacters = 60_000;

/** The text with as many rows in its tables as fit. @param make says itself what it left out */
export function fitted(make: (mostRows: number) => string): string {
  for (const mostRows of [50, 20, 5]) {
    const text = make(mostRows);
    if (text.length <= mostCharacters) return text;
  }
  return make(0).slice(0, mostCharacters);
}

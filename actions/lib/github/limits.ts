/**
 * Of an issue, a comment or a pull request, in characters. GitHub takes 65,536, and what it counts as one is not always what
 * JavaScript does; the rest is room for markers and for what a person adds.
 */
export const mostBodyCharacters = 60_000;

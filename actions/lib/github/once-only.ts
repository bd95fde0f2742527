import { GitHubError } from './failures.ts';

/**
 * A new issue or comment must not come twice: when the answer was lost it is looked for, and made again only when it is
 * not there. The list endpoint shows what was written before it was asked. Throws what `make` and `find` throw.
 */
export async function onceOnly<T>(make: () => Promise<T>, find: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make();
    } catch (error) {
      if (!(error instanceof GitHubError) || !error.mayHaveHappened) throw error;
      const found = await find();
      if (found !== undefined) return found;
      if (attempt === 2) throw error;
    }
  }
}

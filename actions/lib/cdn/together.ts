/** Does the work for each item, so many at a time, begun in their order. Rejects with the first failure. */
export async function together<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const lane = async () => {
    // The lanes share one iterator: each takes what is next.
    for (const [index, item] of queue) await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

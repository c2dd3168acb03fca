/** Hands on what is taken. Whoever takes nothing for so long is given up: it would hold its place for ever. */
export async function* attended<T>(given: AsyncIterable<T>, withinMs: number, giveUp: () => void): AsyncGenerator<T> {
  for await (const each of given) {
    const timer = setTimeout(giveUp, withinMs).unref();
    try {
      yield each;
    } finally {
      clearTimeout(timer);
    }
  }
}

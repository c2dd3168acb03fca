/** The embedded server can't be had, in a sentence for whoever starts the program. */
export class PostgresError extends Error {
  override readonly name = 'PostgresError';
}

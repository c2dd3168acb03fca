/** Exit codes by sysexits.h; the service unit does not restart on `usage` and `config`. */
export const exitCodes = { usage: 64, unavailable: 69, software: 70, dataFolder: 73, refused: 77, config: 78 } as const;

/** The agent cannot start: one sentence for the operator, and the code to exit with. */
export class StartError extends Error {
  override readonly name = 'StartError';
  constructor(
    readonly exit: keyof typeof exitCodes,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The `code` of a system or SQLite error, or nothing. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether it is the system's error of one of these names, such as ENOENT. */
export const isErrno = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

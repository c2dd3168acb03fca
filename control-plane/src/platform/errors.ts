/** Every known failure of the operator and device APIs, with the HTTP status that says it. */
export const httpStatus = {
  INVALID_REQUEST: 400,
  INVALID_SELECTOR: 400,
  INVALID_PLAN: 400,
  INVALID_RELEASE: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  CLAIM_REFUSED: 403,
  DEVICE_PENDING: 403,
  DEVICE_REVOKED: 403,
  ARTIFACT_NOT_FOUND: 404,
  CONFIGURATION_NOT_FOUND: 404,
  DEVICE_NOT_FOUND: 404,
  GROUP_NOT_FOUND: 404,
  OPERATOR_NOT_FOUND: 404,
  RELEASE_NOT_FOUND: 404,
  ROLLOUT_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  CONFIGURATION_CONFLICT: 409,
  DEVICE_EXISTS: 409,
  DEVICE_IMPORT_REFUSED: 409,
  GROUP_EXISTS: 409,
  GROUP_IN_USE: 409,
  OPERATOR_EXISTS: 409,
  RELEASE_EXISTS: 409,
  RELEASE_INCOMPLETE: 409,
  ROLLOUT_REFUSED: 409,
  NOT_LEADER: 409,
  BACKUP_REFUSED: 409,
  ARTIFACT_TOO_LARGE: 413,
  DIGEST_MISMATCH: 422,
  TOO_MANY_REQUESTS: 429,
  INTERNAL: 500,
  STORAGE_FULL: 507,
} as const;
export type ErrorCode = keyof typeof httpStatus;

export class AppError extends Error {
  override readonly name = 'AppError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

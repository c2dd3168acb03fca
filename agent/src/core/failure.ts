import type { FailureClass } from '@flotilla/protocol/device';

/** Why a step of an update could not be done; its class decides what the control plane counts it against. */
export class UpdateFailure extends Error {
  override readonly name = 'UpdateFailure';
  constructor(
    readonly failure: FailureClass,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

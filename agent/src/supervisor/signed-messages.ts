import { Command, DesiredState, digestOf, SignedMessage, type Digest, type DirectorKey } from '@flotilla/protocol/device';
import { compactVerify, decodeProtectedHeader, importJWK } from 'jose';

/** What a device believes a signed message by. */
export interface Anchor {
  readonly directorKey: DirectorKey;
  readonly device: string;
  readonly keyThumbprint: string;
}

export type RefusalReason =
  | 'unsigned'
  | 'foreign-key'
  | 'garbled'
  | 'other-device'
  | 'other-key'
  | 'old-epoch'
  | 'same-epoch'
  | 'expired'
  | 'replayed';
export type Refusal = { readonly refused: RefusalReason; readonly message: string };

/** A verified desired state. */
export interface SignedDesired {
  readonly desired: DesiredState;
  /** sha256 of its orders, `{ slots, config }` as sent: birth and heartbeat name it by that, whenever it was signed and until when. */
  readonly hash: Digest;
  readonly jws: string;
}

interface InForce {
  readonly epoch: number;
  readonly hash?: Digest | undefined;
}

/** May this desired state replace the one in force? `now` is in milliseconds since 1970. Never throws for what the text holds. */
export async function judgeDesired(
  anchor: Anchor,
  inForce: InForce,
  now: number,
  text: string,
): Promise<SignedDesired | Refusal> {
  const verified = await verifyDesired(anchor, text);
  if ('refused' in verified) return verified;
  const { epoch, expires } = verified.desired;
  if (epoch < inForce.epoch) return refuse('old-epoch', `a desired state of epoch ${epoch}: ${inForce.epoch} is in force`);
  if (expires <= now)
    return refuse('expired', `a desired state of epoch ${epoch} that expired at ${time(expires)}; it is ${time(now)}`);
  // A state may be signed anew with a later expiry; other orders need a higher epoch.
  if (epoch === inForce.epoch && inForce.hash !== undefined && verified.hash !== inForce.hash)
    return refuse('same-epoch', `a second, different desired state of epoch ${epoch}`);
  return verified;
}

/** Signature and addressee only: what was stored is believed at boot even past its expiry, as what runs goes on running. */
export async function verifyDesired(anchor: Anchor, text: string): Promise<SignedDesired | Refusal> {
  const payload = await verifySignature(anchor.directorKey, text);
  if ('refused' in payload) return payload;
  const desired = DesiredState.safeParse(payload.content);
  if (!desired.success)
    return refuse('garbled', `a signed message that is no desired state: ${desired.error.issues[0]?.message}`);
  if (desired.data.device !== anchor.device) return refuse('other-device', `a desired state for ${desired.data.device}`);
  if (desired.data.keyThumbprint !== anchor.keyThumbprint)
    return refuse('other-key', "a desired state for another key than this device's");
  return { desired: desired.data, hash: hashOfOrders(payload.content as DesiredState), jws: text };
}

/** `seen` tells nonces that were answered already. */
export async function judgeCommand(
  anchor: Anchor,
  seen: (nonce: string) => boolean,
  now: number,
  text: string,
): Promise<{ command: Command } | Refusal> {
  const payload = await verifySignature(anchor.directorKey, text);
  if ('refused' in payload) return payload;
  const command = Command.safeParse(payload.content);
  if (!command.success) return refuse('garbled', `a signed message that is no command: ${command.error.issues[0]?.message}`);
  const { device, deadline, nonce } = command.data;
  if (device !== anchor.device) return refuse('other-device', `a command for ${device}`);
  if (deadline <= now) return refuse('expired', `a command whose deadline was ${time(deadline)}; it is ${time(now)}`);
  if (seen(nonce)) return refuse('replayed', `a command with a nonce that was used before`);
  return { command: command.data };
}

async function verifySignature(key: DirectorKey, text: string): Promise<{ content: unknown } | Refusal> {
  if (!SignedMessage.safeParse(text).success) return refuse('unsigned', 'a message that is not signed (no JWS in compact form)');
  try {
    const { kid } = decodeProtectedHeader(text);
    if (kid !== key.kid)
      return refuse('foreign-key', `a message signed by key ${String(kid).slice(0, 64)}, not by the director's`);
    const { payload } = await compactVerify(text, await importJWK(key, 'EdDSA'), { algorithms: ['EdDSA'] });
    return { content: JSON.parse(Buffer.from(payload).toString('utf8')) };
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return refuse('foreign-key', `a message whose signature does not hold (${detail})`);
  }
}

/** Over what was sent rather than what was understood: a newer server's further fields count too. */
const hashOfOrders = ({ slots, config }: DesiredState) => digestOf({ slots, config });
const refuse = (reason: RefusalReason, message: string): Refusal => ({ refused: reason, message });
const lastDate = 8.64e15;
const time = (ms: number) => new Date(Math.min(ms, lastDate)).toISOString();

import type { webcrypto } from 'node:crypto';
import { type Command, type DesiredState, DirectorKey, SignedMessage } from '@flotilla/protocol';
import { CompactSign, calculateJwkThumbprint } from 'jose';
import { edKey, type Secrets } from './key-file.js';

/** The online key that names what each device is to run (Uptane's director). */
export class Director {
  static async open(secrets: Secrets): Promise<Director> {
    const { key, x } = await edKey(secrets, 'director.jwk');
    const kid = await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x }, 'sha256');
    return new Director(key, DirectorKey.parse({ kty: 'OKP', crv: 'Ed25519', x, kid }));
  }

  private constructor(
    private readonly key: webcrypto.CryptoKey,
    readonly publicKey: DirectorKey,
  ) {}

  async sign(message: DesiredState | Command): Promise<SignedMessage> {
    const jws = new CompactSign(Buffer.from(JSON.stringify(message)));
    const header = { alg: 'EdDSA', kid: this.publicKey.kid, typ: message.type };
    return SignedMessage.parse(await jws.setProtectedHeader(header).sign(this.key));
  }
}

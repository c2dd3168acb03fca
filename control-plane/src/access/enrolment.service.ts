import { randomBytes } from 'node:crypto';
import { DeviceId, type EnrolRequest, sha256 } from '@flotilla/protocol';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { DeviceRow } from '../fleet/device.entity.js';
import { DevicesService } from '../fleet/devices.service.js';
import { AppError } from '../platform/errors.js';
import { CLOCK, type Clock } from '../platform/tokens.js';
import { readCsr } from '../trust/csr.js';
import { type IssuedCertificate, TrustService } from '../trust/trust.service.js';
import { judgeClaim } from './claim.js';
import type { ClaimTokenRow } from './claim-token.entity.js';
import { ClaimTokensRepository } from './claim-tokens.repository.js';

export interface Enrolled {
  device: DeviceId;
  certificatePem: string;
}

/** How a device gets its certificate: at first for a claim token, later for the certificate that it has. */
@Injectable()
export class EnrolmentService {
  constructor(
    @Inject(ClaimTokensRepository) private readonly tokens: ClaimTokensRepository,
    @Inject(DevicesService) private readonly devices: DevicesService,
    @Inject(TrustService) private readonly trust: TrustService,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async enrol(request: EnrolRequest): Promise<Enrolled> {
    const { thumbprint } = await readCsr(request.csr);
    return this.tokens.transaction(async (tx) => {
      const token = await this.tokens.bySecret(tx, sha256(request.secret));
      const claim = judgeClaim(token, thumbprint, this.clock.now());
      if ('refused' in claim) throw new AppError('CLAIM_REFUSED', claim.refused);
      const device = await this.deviceFor(tx, token!, request);
      return this.admit(tx, token!, device, request);
    });
  }

  /** The device that holds this certificate, pending or active; the sentence says why there is none. */
  async deviceOf(commonName: string, serial: string): Promise<DeviceRow> {
    const row = await this.tokens.device(commonName as DeviceId);
    if (row && row.status !== 'revoked' && !this.trust.isRevoked(serial)) return row;
    throw new AppError('DEVICE_REVOKED', `${commonName} is no device of this fleet any more: its certificate is revoked`);
  }

  /** A new certificate for the same key. */
  async renew(row: DeviceRow, csr: string): Promise<Enrolled> {
    const { thumbprint } = await readCsr(csr);
    if (thumbprint !== row.keyThumbprint)
      throw new AppError(
        'INVALID_REQUEST',
        `csr: it holds another key than ${row.id} enrolled with; to change the key run \`flotilla devices replace ${row.id}\``,
      );
    const issued = await this.trust.issueDeviceCertificate(csr, row.id);
    await this.tokens.transaction((tx) => this.devices.enrol(tx, { ...row, ...certificateOf(issued) }));
    return { device: row.id, certificatePem: issued.certificatePem };
  }

  private async deviceFor(tx: EntityManager, token: ClaimTokenRow, request: EnrolRequest): Promise<DeviceId> {
    const device = DeviceId.parse(token.device ?? token.name ?? request.name ?? `device-${randomBytes(4).toString('hex')}`);
    const known = await this.tokens.device(device, tx);
    // The name of a removed device is free again; what was given out for that device is not.
    if (known?.status !== 'revoked' || (token.device === null && !token.replace)) return device;
    throw new AppError('CLAIM_REFUSED', `${device}, for which this claim token was, has been removed since`);
  }

  private async admit(tx: EntityManager, token: ClaimTokenRow, device: DeviceId, request: EnrolRequest): Promise<Enrolled> {
    const issued = await this.trust.issueDeviceCertificate(request.csr, device);
    const { profile, hardwareClass } = request;
    // What the operator wrote into the token is not the device's to change.
    const labels = { ...request.labels, ...token.labels };
    const { replace, approval } = token;
    await this.devices.enrol(tx, { id: device, profile, hardwareClass, labels, ...certificateOf(issued) }, { replace, approval });
    const usedAt = token.usedAt ?? this.clock.now();
    await this.tokens.markUsed(tx, token.id, { usedAt, keyThumbprint: issued.keyThumbprint, device });
    return { device, certificatePem: issued.certificatePem };
  }
}

const certificateOf = ({ keyThumbprint, serial, expiresAt }: IssuedCertificate) => ({
  keyThumbprint,
  certificateSerial: serial,
  certificateExpiresAt: expiresAt,
});

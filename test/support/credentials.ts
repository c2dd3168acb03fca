import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataFolder } from '@flotilla/control-plane/platform/data-folder';
import { makeKeyRequest } from '@flotilla/control-plane/trust/key-request';
import { TrustService } from '@flotilla/control-plane/trust/trust.service';
import { DeviceId } from '@flotilla/protocol';

export interface DeviceTls {
  key: string;
  cert: string;
  ca: string;
  serial: string;
}

export interface TestTrust {
  trust: TrustService;
  /** The data folder's path. */
  dir: string;
  close: () => Promise<void>;
}

/** A fleet CA of its own in a throwaway data folder. */
export async function aTrust(hosts = ['localhost', '127.0.0.1']): Promise<TestTrust> {
  const dir = await mkdtemp(join(tmpdir(), 'flotilla-trust-'));
  const folder = await openDataFolder(dir);
  const trust = await TrustService.open(folder, hosts);
  const close = async () => {
    trust.stop();
    folder.close();
    await rm(dir, { recursive: true, force: true });
  };
  return { trust, dir, close };
}

/** An enrolled device's credentials, without the enrolment. */
export async function deviceTls(trust: TrustService, id: string): Promise<DeviceTls> {
  const { key, csr } = await makeKeyRequest();
  const { certificatePem, serial } = await trust.issueDeviceCertificate(csr, DeviceId.parse(id));
  return { key, cert: certificatePem, ca: trust.caPem(), serial };
}

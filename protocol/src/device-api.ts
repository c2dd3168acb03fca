import { z } from 'zod';
import { DeviceId, HardwareClass, TenantId } from './ids.js';

const pem = z.string().max(16_384).startsWith('-----BEGIN ');

/** `POST /device/v1/enrol`: no client certificate yet; the claim token's secret speaks for the device. */
export const EnrolRequest = z
  .object({
    v: z.literal(1),
    secret: z.string().min(22).max(128),
    /** PKCS #10; subject and extensions are ignored, only the key counts. */
    csr: pem,
    /** A wish; the token's own name wins, and a taken one is refused. */
    name: DeviceId.optional(),
    profile: z.string().max(64),
    hardwareClass: HardwareClass,
    labels: z.record(z.string().max(64), z.string().max(128)).default({}),
  })
  .meta({ id: 'EnrolRequest' });
export type EnrolRequest = z.infer<typeof EnrolRequest>;

/** Ed25519 public key as a JWK (RFC 8037). */
export const DirectorKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  kid: z.string().max(128),
});
export type DirectorKey = z.infer<typeof DirectorKey>;

export const EnrolResponse = z
  .object({
    v: z.literal(1),
    tenant: TenantId,
    device: DeviceId,
    certificate: pem,
    ca: pem,
    directorKey: DirectorKey,
    /** mqtts://host:port */
    mqttUrl: z.url({ protocol: /^mqtts$/ }),
    /** https://host:port of this API from now on. */
    deviceApiUrl: z.url({ protocol: /^https$/ }),
  })
  .meta({ id: 'EnrolResponse' });
export type EnrolResponse = z.infer<typeof EnrolResponse>;

/** `POST /device/v1/renew`: over mTLS with the certificate that is about to expire. */
export const RenewRequest = z.object({ v: z.literal(1), csr: pem }).meta({ id: 'RenewRequest' });
export type RenewRequest = z.infer<typeof RenewRequest>;
export const RenewResponse = z
  .object({
    v: z.literal(1),
    certificate: pem,
    ca: pem,
    /** Where the device finds the control plane from its next start on; absent: where it did. */
    mqttUrl: EnrolResponse.shape.mqttUrl.optional(),
    deviceApiUrl: EnrolResponse.shape.deviceApiUrl.optional(),
  })
  .meta({ id: 'RenewResponse' });
export type RenewResponse = z.infer<typeof RenewResponse>;

/** RFC 9457 problem details: how both HTTP APIs say no. */
export const Problem = z
  .object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string(), code: z.string() })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

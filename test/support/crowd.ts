import type { Digest } from '@flotilla/protocol';
import type { DataSource } from 'typeorm';
import { slot } from './rollout-rig.js';

/** Thousands of devices that run a release, straight into the tables: nobody speaks for them. */
export async function aCrowd(db: DataSource, fleet: string, size: number, digest: Digest): Promise<void> {
  await db.query(
    `INSERT INTO device (id, status, profile, hardware_class, labels, notes, agent, key_thumbprint, certificate_serial,
       certificate_expires_at, enrolled_at, online, last_seen_at)
     SELECT $1 || '-' || lpad(n::text, 6, '0'), 'active', 'generic-x64', 'generic-x64/1.30.0+avx2', jsonb_build_object('fleet', $1::text), '[]',
       '0.1.0', $1 || n, $1 || n, now() + interval '30 days', now(), true, now() FROM generate_series(1, $2::int) n`,
    [fleet, size],
  );
  await db.query(
    `INSERT INTO assignment (device, slot, deployment, digest, owner, priority, probation, assigned_at)
     SELECT id, $2, gen_random_uuid(), $3, 'manual', 0, '{"inferences":20,"timeoutS":300}', now() FROM device WHERE labels ->> 'fleet' = $1`,
    [fleet, slot, digest],
  );
  await db.query(
    `INSERT INTO slot_report (device, slot, deployment, digest, state, committed, at)
     SELECT device, slot, deployment, digest, 'committed', digest, now() FROM assignment JOIN device ON id = device WHERE labels ->> 'fleet' = $1`,
    [fleet],
  );
}

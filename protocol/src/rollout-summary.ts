import { z } from 'zod';

const time = z.iso.datetime();

/** What came of a rollout that is over. */
export const RolloutSummary = z
  .object({
    startedAt: time,
    endedAt: time,
    /** The stages that were opened; a pause counts as part of one. */
    stages: z.array(z.object({ name: z.string(), openedAt: time, tookS: z.number() })),
    /** Devices that run its release now, by what they ran before; absent `from`: nothing. */
    changed: z.array(z.object({ from: z.string().optional(), devices: z.int() })),
    /** What somebody chose to live with, and why. */
    accepted: z.array(z.object({ at: time, by: z.string(), reason: z.string(), instead: z.string() })),
  })
  .meta({ id: 'RolloutSummary' });
export type RolloutSummary = z.infer<typeof RolloutSummary>;

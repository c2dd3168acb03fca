import type { ConnectionLimits } from '@flotilla/protocol/mqtt-guard';

export const deviceLimits: ConnectionLimits = {
  maxPacketBytes: 300 * 1024,
  packetsPerS: 200,
  packetBurst: 2000,
  bytesPerS: 1024 * 1024,
  byteBurst: 8 * 1024 * 1024,
  dropAfterMs: 30_000,
};

/** A control plane speaks to the whole fleet, and is trusted not to flood it. */
export const controlPlaneLimits: ConnectionLimits = {
  ...deviceLimits,
  packetsPerS: 100_000,
  packetBurst: 100_000,
  bytesPerS: 1024 ** 3,
  byteBurst: 1024 ** 3,
};

import { z } from 'zod';
import { host, port } from './output-peer.js';

/** A Modbus TCP server, with a block of registers for each slot that names its port. */
export const ModbusOutput = z.strictObject({
  port: port.default(502),
  host,
  /** At the same time; for one more, the one that was quiet for longest goes. */
  maxClients: z.int().min(1).max(256).default(16),
  /** Of the slot: its unit identifier, and where its block begins. */
  unit: z.int().min(1).max(247).default(1),
  base: z.int().min(0).max(65_000).default(0),
  /** Of numbers that take two registers: which half comes first. */
  wordOrder: z.enum(['big', 'little']).default('big'),
  /** Characters of the label, at two a register; 0 leaves it out. */
  labelChars: z.int().min(0).max(128).multipleOf(2, 'must be even: a register holds two characters').default(32),
  /** Names of measured values to show, in this order, as 32 bit floating point. */
  values: z.array(z.string().min(1).max(128)).max(16).default([]),
  /** Whether a client may set the slot's trigger off, by its coil: the one thing that can be written. */
  trigger: z.boolean().default(false),
});
export type ModbusOutput = z.infer<typeof ModbusOutput>;

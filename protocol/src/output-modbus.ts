import { z } from 'zod';
import { host, port } from './output-peer.js';

/** A Modbus TCP server, with a block of registers for each slot that names its port. */
export const ModbusOutput = z.strictObject({ port: port.default(502), host });
export type ModbusOutput = z.infer<typeof ModbusOutput>;

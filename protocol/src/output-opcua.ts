import { z } from 'zod';
import { host, port } from './output-peer.js';

/** An OPC UA server, with one object for each slot that names its port. */
export const OpcUaOutput = z.strictObject({ port: port.default(4840), host });
export type OpcUaOutput = z.infer<typeof OpcUaOutput>;

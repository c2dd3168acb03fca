import { z } from 'zod';
import { ModbusOutput } from './output-modbus.js';
import { MqttOutput } from './output-mqtt.js';
import { OpcUaOutput } from './output-opcua.js';
import { SparkplugOutput } from './output-sparkplug.js';
import { WebhookOutput } from './output-webhook.js';

/** Where a slot's results go, by protocol; none unless it is said. */
export const OutputsConfig = z
  .strictObject({
    mqtt: MqttOutput.optional(),
    sparkplug: SparkplugOutput.optional(),
    opcua: OpcUaOutput.optional(),
    modbus: ModbusOutput.optional(),
    webhook: WebhookOutput.optional(),
  })
  .refine((outputs) => Object.values(outputs).some((output) => output !== undefined), {
    error: 'names no output; give it one of: mqtt, sparkplug, opcua, modbus, webhook',
  });
export type OutputsConfig = z.infer<typeof OutputsConfig>;
export type OutputKind = keyof OutputsConfig;

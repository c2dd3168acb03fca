import { mkdirSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import * as protocol from './index.js';

/** What goes over the wire, and what people write: everything with a JSON Schema of its own. */
export const published = {
  Ack: protocol.Ack,
  Baseline: protocol.Baseline,
  Batch: protocol.Batch,
  Birth: protocol.Birth,
  ClaimToken: protocol.ClaimToken,
  Command: protocol.Command,
  ConfigurationFile: protocol.ConfigurationFile,
  DesiredState: protocol.DesiredState,
  EnrolRequest: protocol.EnrolRequest,
  EnrolResponse: protocol.EnrolResponse,
  EventRecord: protocol.EventRecord,
  GatewayDocument: protocol.GatewayDocument,
  GoldenSet: protocol.GoldenSet,
  Heartbeat: protocol.Heartbeat,
  Manifest: protocol.Manifest,
  Presence: protocol.Presence,
  ReleaseFile: protocol.ReleaseFile,
  RolloutPlan: protocol.RolloutPlan,
  SignedMessage: protocol.SignedMessage,
  TelemetryRecord: protocol.TelemetryRecord,
  Welcome: protocol.Welcome,
} as const;

export const schemaFolder = new URL('../schema/', import.meta.url);

/** File name to content. */
export function jsonSchemas(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(published).map(([name, schema]) => [
      `${name}.json`,
      `${JSON.stringify(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), null, 1)}\n`,
    ]),
  );
}

if (process.argv[1] === import.meta.filename) {
  mkdirSync(schemaFolder, { recursive: true });
  for (const [file, content] of Object.entries(jsonSchemas())) writeFileSync(new URL(file, schemaFolder), content);
}

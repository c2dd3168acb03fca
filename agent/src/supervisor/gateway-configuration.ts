import {
  canonicalJson,
  SlotName,
  type ConfigurationReport,
  type DesiredState,
  type SlotPipeline,
} from '@flotilla/protocol/device';
import { z } from 'zod';
import {
  accept,
  effective,
  nothingAccepted,
  type Accepted,
  type Device,
  type Effective,
  type Refused,
} from '../core/gateway-configuration.js';
import { messageOf } from '../errors.js';
import { readIfThere, writeDurably } from './durable-file.js';
import type { Log } from './runner-process.js';

type GatewayConfigurationOptions = {
  /** Holds what was accepted, so that a device without a network, or one that was sent what it cannot read, goes by it. */
  file: string;
  device: Device;
  log: Log;
  onConfigured: (effective: Effective) => void;
  onReport: (report: ConfigurationReport) => void;
};

const Section = z.object({ value: z.unknown(), epoch: z.int() });
const Stored = z.object({
  v: z.literal(1),
  accepted: z.object({
    epoch: z.int(),
    digest: z.string().optional(),
    slots: z.record(z.string(), z.record(z.string(), Section)),
  }),
  /** What could not be accepted of the last document; for who asks without starting the agent. */
  refused: z.array(z.object({ slot: z.string().optional(), reason: z.string() })),
});
type Stored = { accepted: Accepted; refused: readonly Refused[] };
const nothing: Stored = { accepted: nothingAccepted, refused: [] };
const mostRefused = 64;
const longestReason = 500;

/** What the gateway is to do by `agent.yaml` and the desired state together; what of that is refused is told. */
export class GatewayConfiguration {
  readonly #options: GatewayConfigurationOptions;
  #stored: Stored;
  #reported = '';

  constructor(options: GatewayConfigurationOptions) {
    this.#options = options;
    this.#stored = load(options.file, options.log);
  }

  /** At boot: what was accepted before, and what the stored desired state says; its expiry does not matter, as it is nothing new. */
  start(restored: Pick<DesiredState, 'epoch' | 'config'> | undefined): void {
    if (restored) this.apply(restored);
    else this.#bringIntoForce();
  }

  apply({ epoch, config }: Pick<DesiredState, 'epoch' | 'config'>): void {
    const before = this.#stored;
    this.#stored = accept(before.accepted, { epoch, gateway: config.gateway }, this.#options.device);
    const concernsUs = before.accepted.digest !== undefined || this.#stored.accepted.digest !== undefined;
    if (concernsUs && canonicalJson(this.#stored) !== canonicalJson(before)) this.#store();
    this.#bringIntoForce();
  }

  #bringIntoForce(): void {
    const inForce = effectiveOf(this.#stored, this.#options.device);
    this.#options.onConfigured(inForce);
    this.#report(inForce);
  }

  /** Once for each change, and once a boot; nothing where nobody ever sent anything. */
  #report({ slots, refused }: Effective): void {
    const { epoch, digest } = this.#stored.accepted;
    if (digest === undefined && this.#reported === '') return;
    const report: ConfigurationReport = {
      epoch,
      ...(digest === undefined ? {} : { digest }),
      slots: Object.entries(slots).map(([slot, { from }]) => ({ slot: SlotName.parse(slot), from })),
      refused: refused.slice(0, mostRefused).map(({ slot, reason }) => ({
        ...(slot === undefined ? {} : { slot: slot.slice(0, 64) }),
        reason: reason.slice(0, longestReason),
      })),
    };
    const text = JSON.stringify({ ...report, epoch: digest === undefined ? 0 : epoch });
    if (text === this.#reported) return;
    this.#reported = text;
    for (const { slot, reason } of report.refused)
      this.#options.log.warn({ slot, epoch }, `configuration from the control plane is refused: ${reason}`);
    this.#options.onReport(report);
  }

  /** Without it the device goes by what it was sent all the same, until it is started anew. */
  #store(): void {
    try {
      writeDurably(this.#options.file, JSON.stringify({ v: 1, ...this.#stored }));
    } catch (error) {
      this.#options.log.error({ error: messageOf(error) }, 'the accepted configuration cannot be stored');
    }
  }
}

/** What the device goes by, for who asks without starting it. */
export const effectiveConfiguration = (file: string, device: Device, log: Log): Effective => effectiveOf(load(file, log), device);

function effectiveOf({ accepted, refused }: Stored, device: Device): Effective {
  const inForce = effective(accepted, device);
  return device.accept ? { ...inForce, refused: [...refused, ...inForce.refused] } : inForce;
}

/** A damaged file is as good as none: the stored desired state says most of it again. */
function load(file: string, log: Log): Stored {
  const text = readIfThere(file);
  if (text === undefined) return nothing;
  const stored = z.string().transform(parseJson).pipe(Stored).safeParse(text);
  if (stored.success) return stored.data as Stored;
  log.warn({ file }, 'the file of the accepted configuration is damaged; it is made anew');
  return nothing;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // refused by the schema that comes next
  }
}

/** The sections that `agent.yaml` gives each slot. */
export const localPipelines = (slots: Readonly<Record<string, SlotPipeline>>): Record<string, SlotPipeline> =>
  Object.fromEntries(
    Object.entries(slots).map(([name, { source, trigger, pipeline, record, outputs }]) => [
      name,
      {
        ...(source && { source }),
        ...(trigger && { trigger }),
        ...(pipeline && { pipeline }),
        ...(record && { record }),
        ...(outputs && { outputs }),
      },
    ]),
  );

import {
  canonicalJson,
  digestOf,
  GatewayDocument,
  type Digest,
  type PipelineSection,
  type SlotPipeline,
} from '@flotilla/protocol/device';

/** A section that the desired state brought: as written, and the epoch that brought it first. */
export type SentSection = { value: unknown; epoch: number };
/** What this device has accepted of what it was sent; it outlives a restart. `epoch` and `digest` are those of the last document. */
export type Accepted = {
  epoch: number;
  digest?: Digest | undefined;
  slots: Readonly<Record<string, Readonly<Record<string, SentSection>>>>;
};
export type Refused = { slot?: string | undefined; reason: string };
/** Reads a slot's part, and says whether this device may and can do it. */
export type Judge = (slot: string, written: unknown) => { pipeline: SlotPipeline } | { refused: string };
export type Device = { accept: boolean; slots: Readonly<Record<string, SlotPipeline>>; judge: Judge };

/** Of each section: its value, and where it comes from. */
export type EffectiveSlot = SlotPipeline & { from: Partial<Record<PipelineSection, string>> };
export type Effective = { slots: Record<string, EffectiveSlot>; refused: Refused[] };

export const nothingAccepted: Accepted = { epoch: 0, slots: {} };
const stays = 'what was in force stays';

/** What is to be kept of a desired state. A slot's part is accepted as a whole or not at all; one that is not leaves what was there. */
export function accept(
  before: Accepted,
  sent: { epoch: number; gateway: unknown },
  device: Device,
): { accepted: Accepted; refused: Refused[] } {
  if (sent.gateway === undefined) return { accepted: { epoch: sent.epoch, slots: {} }, refused: [] };
  const digest = digestOf(sent.gateway);
  const epoch = before.digest === digest ? before.epoch : sent.epoch;
  const keep = (reason: string) => ({ accepted: { ...before, epoch, digest }, refused: [{ reason: `${reason}; ${stays}` }] });
  const document = GatewayDocument.safeParse(sent.gateway);
  if (!document.success) return keep('it is of a later version than this agent can read');
  if (document.data.withheld !== undefined) return keep(`the control plane holds it back: ${document.data.withheld}`);
  const judged = Object.entries(document.data.slots).map(([slot, written]) =>
    judgeSlot(slot, written, before, { epoch, device }),
  );
  return {
    accepted: {
      epoch,
      digest,
      slots: Object.fromEntries(judged.flatMap(({ slot, sections }) => (sections ? [[slot, sections]] : []))),
    },
    refused: judged.flatMap(({ slot, refused }) => (refused === undefined ? [] : [{ slot, reason: refused }])),
  };
}

/** Per slot and section the desired state wins over `agent.yaml`, unless that refuses. */
export function effective(accepted: Accepted, device: Device): Effective {
  const refused: Refused[] = [];
  if (!device.accept && accepted.digest !== undefined) refused.push({ reason: 'agent.yaml says "remoteConfiguration: refuse"' });
  const slots = Object.entries(device.slots).map(([slot, local]) => {
    const sections = device.accept ? (accepted.slots[slot] ?? {}) : {};
    const judged = Object.keys(sections).length > 0 ? device.judge(slot, written(sections)) : { pipeline: {} };
    if ('refused' in judged) refused.push({ slot, reason: judged.refused });
    return [slot, merged(local, 'refused' in judged ? {} : judged.pipeline, sections)] as const;
  });
  return { slots: Object.fromEntries(slots), refused };
}

type Judged = { slot: string; sections?: Record<string, SentSection> | undefined; refused?: string };

function judgeSlot(slot: string, sent: unknown, before: Accepted, { epoch, device }: { epoch: number; device: Device }): Judged {
  const kept = before.slots[slot];
  if (!Object.hasOwn(device.slots, slot))
    return { slot, refused: `this device has no such slot; its slots are: ${Object.keys(device.slots).join(', ') || 'none'}` };
  const judged = device.judge(slot, sent);
  if ('refused' in judged) return { slot, sections: kept, refused: kept ? `${judged.refused}; ${stays}` : judged.refused };
  const sections = Object.entries(sent as object).map(([section, value]) => [section, dated(value, kept?.[section], epoch)]);
  return { slot, sections: Object.fromEntries(sections) as Record<string, SentSection> };
}

const dated = (value: unknown, kept: SentSection | undefined, epoch: number): SentSection =>
  kept && canonicalJson(kept.value) === canonicalJson(value) ? kept : { value, epoch };

const written = (sections: Readonly<Record<string, SentSection>>) =>
  Object.fromEntries(Object.entries(sections).map(([section, { value }]) => [section, value]));

function merged(local: SlotPipeline, remote: SlotPipeline, sections: Readonly<Record<string, SentSection>>): EffectiveSlot {
  const from: Record<string, string> = {};
  for (const section of Object.keys(local)) from[section] = 'agent.yaml';
  for (const section of Object.keys(remote)) from[section] = `desired state, epoch ${sections[section]?.epoch}`;
  return { ...local, ...remote, from };
}

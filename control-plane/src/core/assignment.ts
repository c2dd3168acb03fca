/** A release that is forbidden on some devices, or on all. */
export type Block = Readonly<{
  id: string;
  digests: ReadonlySet<string>;
  members: 'all' | ReadonlySet<string>;
  reason: string;
}>;

/** A pin holds its slot against whatever has less; all others give way to who comes later. A kill holds by its block. */
export const priorities = { restored: 0, rollout: 100, manual: 200, pin: 300, kill: 400 } as const;

/** What is in the way of a release on a device, if anything is. */
export const blockOn = (blocks: readonly Block[], device: string, digest: string): Block | undefined =>
  blocks.find(({ digests, members }) => digests.has(digest) && (members === 'all' || members.has(device)));

export const blockedInWords = ({ reason }: Pick<Block, 'reason'>) => `the release was blocked: ${reason}`;

/** `digest` null: the slot is to be stopped. */
type Want = Readonly<{ device: string; digest: string | null }>;
type Standing = Readonly<{
  current?: Readonly<{ digest: string; deployment: string }> | undefined;
  /** The device has given its deployment up. */
  ended: boolean;
  /** Why it is pinned, if it is. */
  pinned?: string | undefined;
}>;
export type Refusal = Readonly<{ what: 'refuse'; why: 'blocked' | 'pinned'; reason: string }>;
export type Decision =
  | Readonly<{ what: 'place' | 'stop' | 'nothing' }>
  | Readonly<{ what: 'keep'; deployment: string }>
  | Refusal;

/** What comes of a wish, under the lock of the device and with the blocks that hold now. */
export function decide(want: Want, priority: number, standing: Standing, blocks: readonly Block[]): Decision {
  const { device, digest } = want;
  const { current, ended, pinned } = standing;
  const block = digest === null ? undefined : blockOn(blocks, device, digest);
  if (block) return { what: 'refuse', why: 'blocked', reason: blockedInWords(block) };
  if (pinned !== undefined && priority < priorities.pin) return { what: 'refuse', why: 'pinned', reason: `pinned: ${pinned}` };
  if (digest === null) return { what: current ? 'stop' : 'nothing' };
  if (current?.digest === digest && !ended) return { what: 'keep', deployment: current.deployment };
  return { what: 'place' };
}

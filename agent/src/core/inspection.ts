/**
 * The handshake by which a controller knows that *this* result belongs to *this* part: a command carries an id, one capture is made for it, and
 * its result repeats the id until it is acknowledged. Times are milliseconds of a clock that never goes back.
 */
export type HandshakeRules = Readonly<{
  /** From command to result. */
  timeoutMs: number;
  /** For which a result waits for its acknowledgement; undefined: it waits for no one, and the next command may come at once. */
  acknowledgeMs?: number | undefined;
}>;

/** `sequence` counts commands; `capturing`: no frame is taken yet. `until`: when the state ends by itself. */
export type Handshake = Readonly<
  | { state: 'ready'; sequence: number }
  | { state: 'busy'; sequence: number; id: string; capturing: boolean; until: number }
  | { state: 'done'; sequence: number; id: string; until?: number | undefined }
  | { state: 'error'; sequence: number; id: string; reason: string; until?: number | undefined }
>;

export type HandshakeEvent =
  | { type: 'command'; id: string; at: number }
  | { type: 'captured'; id: string }
  | { type: 'result'; id: string; at: number }
  | { type: 'failure'; id: string; at: number; reason: string }
  | { type: 'acknowledge'; id: string }
  /** `trouble`: why nothing is inferred at present, where that is known. */
  | { type: 'tick'; at: number; trouble?: string | undefined };

type HandshakeStep = { handshake: Handshake } | { refused: string };

export const firstHandshake: Handshake = { state: 'ready', sequence: 0 };

export function reduceHandshake(handshake: Handshake, event: HandshakeEvent, rules: HandshakeRules): HandshakeStep {
  switch (event.type) {
    case 'command':
      return command(handshake, event, rules);
    case 'captured':
      if (!isOf(handshake, event.id, 'busy')) return { refused: `${event.id} is not waiting for a capture` };
      return { handshake: { ...handshake, capturing: false } };
    case 'result':
      if (!isOf(handshake, event.id, 'busy')) return { refused: `the result of ${event.id} came when it was over` };
      return { handshake: { state: 'done', sequence: handshake.sequence, id: event.id, until: waitsUntil(event.at, rules) } };
    case 'failure':
      if (!isOf(handshake, event.id, 'busy')) return { refused: `the failure of ${event.id} came when it was over` };
      return { handshake: failed(handshake, event.reason, event.at, rules) };
    case 'acknowledge':
      return acknowledge(handshake, event.id);
    case 'tick':
      return { handshake: passed(handshake, event, rules) };
  }
}

type Busy = Extract<Handshake, { state: 'busy' }>;
const isOf = (handshake: Handshake, id: string, state: 'busy'): handshake is Busy =>
  handshake.state === state && handshake.id === id;

function command(
  handshake: Handshake,
  { id, at }: { id: string; at: number },
  { timeoutMs, acknowledgeMs }: HandshakeRules,
): HandshakeStep {
  if (handshake.state === 'busy') return { refused: `busy with ${handshake.id}: send the next command when its result is there` };
  if (handshake.state !== 'ready' && acknowledgeMs !== undefined)
    return { refused: `the ${handshake.state === 'done' ? 'result' : 'error'} of ${handshake.id} is not acknowledged yet` };
  return { handshake: { state: 'busy', sequence: handshake.sequence + 1, id, capturing: true, until: at + timeoutMs } };
}

function acknowledge(handshake: Handshake, id: string): HandshakeStep {
  if (handshake.state === 'ready') return { handshake };
  if (handshake.id !== id) return { refused: `${id} is not what there is to acknowledge; that is ${handshake.id}` };
  if (handshake.state === 'busy') return { refused: `${id} has no result yet` };
  return { handshake: { state: 'ready', sequence: handshake.sequence } };
}

/** Nobody acknowledged: the line goes on. No result in time: that is the result. */
type Tick = Extract<HandshakeEvent, { type: 'tick' }>;
function passed(handshake: Handshake, { at, trouble }: Tick, rules: HandshakeRules): Handshake {
  if (handshake.state === 'ready' || handshake.until === undefined || at < handshake.until) return handshake;
  if (handshake.state !== 'busy') return { state: 'ready', sequence: handshake.sequence };
  const late = `within ${rules.timeoutMs} ms`;
  if (handshake.capturing) return failed(handshake, `the source had no picture ${late}`, at, rules);
  return failed(handshake, `there was no result ${late}${trouble ? `: ${trouble}` : ''}`, at, rules);
}

const failed = ({ sequence, id }: Busy, reason: string, at: number, rules: HandshakeRules): Handshake => ({
  state: 'error',
  sequence,
  id,
  reason,
  until: waitsUntil(at, rules),
});

const waitsUntil = (at: number, { acknowledgeMs }: HandshakeRules) =>
  acknowledgeMs === undefined ? undefined : at + acknowledgeMs;

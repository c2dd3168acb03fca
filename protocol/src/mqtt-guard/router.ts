type Deliver = (packet: { topic: string }, done: () => void) => void;

/**
 * Hands each packet to the subscribers of its topic: what aedes takes as its emitter. The default one recurses through
 * its queue when a slow subscriber leaves, which ends the process (mcollina/mqemitter#204); this one has no queue.
 */
export class Router {
  readonly #literal = new Map<string, Set<Deliver>>();
  readonly #wildcard = new Map<string, Set<Deliver>>();

  /** `isAwaited`: whoever publishes on that topic goes on only when its subscribers have what was published. */
  constructor(private readonly isAwaited: (topic: string) => boolean = () => false) {}

  on(filter: string, deliver: Deliver, done?: () => void): this {
    const table = this.#tableFor(filter);
    table.set(filter, (table.get(filter) ?? new Set()).add(deliver));
    if (done) setImmediate(done);
    return this;
  }

  removeListener(filter: string, deliver: Deliver, done?: () => void): this {
    const table = this.#tableFor(filter);
    const delivers = table.get(filter);
    delivers?.delete(deliver);
    if (delivers?.size === 0) table.delete(filter);
    if (done) setImmediate(done);
    return this;
  }

  emit(packet: { topic: string }, done: () => void = () => {}): this {
    const delivers = this.#subscribersOf(packet.topic);
    const waitsFor = this.isAwaited(packet.topic) ? delivers : [];
    let open = waitsFor.length;
    const one = () => --open === 0 && done();
    for (const deliver of delivers) deliver(packet, waitsFor.length > 0 ? one : ignore);
    if (waitsFor.length === 0) setImmediate(done);
    return this;
  }

  close(done: () => void): this {
    setImmediate(done);
    return this;
  }

  #subscribersOf(topic: string): Deliver[] {
    const matching = [...this.#wildcard].filter(([filter]) => matches(filter, topic)).flatMap(([, delivers]) => [...delivers]);
    return [...(this.#literal.get(topic) ?? []), ...matching];
  }

  #tableFor(filter: string) {
    return /[+#]/.test(filter) ? this.#wildcard : this.#literal;
  }
}

function ignore(): void {}

/** MQTT 3.1.1 section 4.7, for filters with `+` and a closing `#`. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  const open = wanted.at(-1) === '#';
  if (open) wanted.pop();
  if (open ? levels.length < wanted.length : levels.length !== wanted.length) return false;
  return wanted.every((level, i) => level === '+' || level === levels[i]);
}

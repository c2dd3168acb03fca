type Deliver = (packet: { topic: string }, done: () => void) => void;

/**
 * Hands each packet to the subscribers of its topic: what aedes takes as its emitter. The default one recurses through
 * its queue when a slow subscriber leaves, which ends the process (mcollina/mqemitter#204); this one has no queue.
 */
export class Router {
  readonly #literal = new Map<string, Set<Deliver>>();
  readonly #wildcard = new Map<string, Set<Deliver>>();
  /** Wildcard filters, taken apart once. */
  readonly #levels = new Map<string, Levels>();

  on(filter: string, deliver: Deliver, done?: () => void): this {
    const table = this.#tableFor(filter);
    table.set(filter, (table.get(filter) ?? new Set()).add(deliver));
    if (table === this.#wildcard) this.#levels.set(filter, levelsOf(filter));
    if (done) setImmediate(done);
    return this;
  }

  removeListener(filter: string, deliver: Deliver, done?: () => void): this {
    const table = this.#tableFor(filter);
    const delivers = table.get(filter);
    delivers?.delete(deliver);
    if (delivers?.size === 0) {
      table.delete(filter);
      this.#levels.delete(filter);
    }
    if (done) setImmediate(done);
    return this;
  }

  emit(packet: { topic: string }, done: () => void = () => {}): this {
    const delivers = this.#subscribersOf(packet.topic);
    // A publisher of up-topics is slowed by the control plane; nobody is slowed by one device that stopped reading.
    const waitsFor = packet.topic.includes('/up/') ? delivers : [];
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
    const found = [...(this.#literal.get(topic) ?? [])];
    const levels = topic.split('/');
    for (const [filter, wanted] of this.#levels) if (fits(wanted, levels)) found.push(...this.#wildcard.get(filter)!);
    return found;
  }

  #tableFor(filter: string) {
    return /[+#]/.test(filter) ? this.#wildcard : this.#literal;
  }
}

function ignore(): void {}

/** MQTT 3.1.1 section 4.7, for filters with `+` and a closing `#`. */
export const matches = (filter: string, topic: string): boolean => fits(levelsOf(filter), topic.split('/'));

type Levels = Readonly<{ wanted: readonly string[]; open: boolean }>;

function levelsOf(filter: string): Levels {
  const wanted = filter.split('/');
  const open = wanted.at(-1) === '#';
  return { wanted: open ? wanted.slice(0, -1) : wanted, open };
}

function fits({ wanted, open }: Levels, levels: readonly string[]): boolean {
  if (open ? levels.length < wanted.length : levels.length !== wanted.length) return false;
  return wanted.every((level, i) => level === '+' || level === levels[i]);
}

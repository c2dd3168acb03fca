type Done = () => void;

/** Commands and answers are few; a peer that floods is read so slowly that it costs nobody anything. */
const usual = { most: 100, everyMs: 100 };

/** Lets messages through as they come, up to a number in each span of time; the rest wait at the sender, by TCP's own means. */
export class InboundPace {
  #count = 0;
  #until = 0;

  constructor(
    private readonly limits: { most: number; everyMs: number } = usual,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** `done`: the next one may come. */
  readonly take = (done: Done): void => {
    const now = this.now();
    if (now >= this.#until) [this.#count, this.#until] = [0, now + this.limits.everyMs];
    this.#count += 1;
    if (this.#count < this.limits.most) done();
    else setTimeout(done, this.#until - now);
  };
}

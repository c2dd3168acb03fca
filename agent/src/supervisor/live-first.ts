/** So many are no backlog: they go together. */
export const fewWindows = 64;
/** Few enough for a region that was away to be heard whole within seconds. */
const newestOfMany = 16;

/** Of so many windows that came since the last live batch, the newest that go before any backlog. */
export const liveShare = (fresh: number): number => (fresh <= fewWindows ? fresh : newestOfMany);

/** More is not sent before some of it is acknowledged; a backlog stops earlier, so that it never takes the room of what is live. */
export const maxUnacknowledged = { live: 16_000, backlog: 4000 };

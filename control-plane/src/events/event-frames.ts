/** Server-sent events, as a browser's EventSource and others read them. */
export const frameOf = (event: { id: number }): string => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`;

const pageSize = 200;

/** All between two places, page by page: what waits for a slow reader lies in the database. */
export async function* framesBetween<T extends { id: number }>(
  from: number,
  until: number,
  pageOf: (from: number, until: number, count: number) => Promise<readonly T[]>,
): AsyncGenerator<string> {
  for (let at = from; ;) {
    const page = await pageOf(at, until, pageSize);
    for (const each of page) yield frameOf(each);
    const last = page.at(-1);
    if (page.length < pageSize || !last) return;
    at = last.id;
  }
}

/** Tells a reader how far it is, and is no event: what is asked for next time begins behind it. */
export const placeFrame = (id: number): string => `id: ${id}\n\n`;

export type EndReason = 'slow-reader' | 'shutdown' | 'renew' | 'failed';
const endWords: Record<EndReason, string> = {
  'slow-reader': 'you did not read for too long: connect again, and go on from the last id that you have',
  shutdown: 'the control plane stops: connect again',
  renew: 'streams end after an hour, so that tokens are looked at again: connect again',
  failed: 'the log could not be read: connect again',
};
export const endFrame = (reason: EndReason): string =>
  `event: end\ndata: ${JSON.stringify({ reason, detail: endWords[reason] })}\n\n`;

/** The id that the reader named lies ahead of the log: it is of another log, or of this one before a backup was restored. */
export const resetFrame = (asked: number, end: number): string =>
  `event: reset\ndata: ${JSON.stringify({ asked, end, detail: `the log ends at ${end}: what was read beyond is not in it` })}\n\n`;

/** A reader that fell behind goes on near the end; so many were left out. */
export const skippedFrame = (skipped: number): string =>
  `event: skipped\ndata: ${JSON.stringify({ skipped, detail: 'you were too far behind: these were left out' })}\n\n`;

import '@flotilla/agent/runner/small-heap';

/** The runner's own program; in whose environment this is, it counts nothing. */
export const unmonitored = 'FLOTILLA_BENCH_UNMONITORED';

if (process.send) {
  await import('@flotilla/agent/jitless-schemas');
  // Read in both: what is measured is the counting.
  const { Monitor } = await import('@flotilla/agent/runner/monitor/monitor');
  if (process.env[unmonitored] !== undefined) {
    const nothing = () => undefined;
    Object.assign(Monitor.prototype, { look: nothing, succeeded: nothing, executed: nothing, failed: nothing, shed: nothing });
  }
  await import('@flotilla/agent/runner/main');
}

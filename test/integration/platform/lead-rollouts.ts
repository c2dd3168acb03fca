import { AsyncLocalStorage } from 'node:async_hooks';
import { ControlPlaneConfig } from '@flotilla/control-plane/config';
import { startControlPlane } from '@flotilla/control-plane/control-plane';
import { Leader } from '@flotilla/control-plane/platform/leader';
import { createLogger } from '@flotilla/control-plane/platform/logger';
import { RolloutMachine } from '@flotilla/control-plane/rollouts/rollout-machine';

/** A control plane that a test kills or stops: it says when it leads, and what became of its looks at rollouts. */
const [dataDir, databaseUrl, skewMs] = process.argv.slice(2);
const free = { port: 0 };
const config = ControlPlaneConfig.parse({ dataDir, databaseUrl, http: free, deviceApi: free, mqtt: free });
const clock = { now: () => new Date(Date.now() + Number(skewMs)) };
const { app, urls } = await startControlPlane(config, { log: createLogger('silent'), clock });
const [leader, machine] = [app.get(Leader), app.get(RolloutMachine)];

/** Other work of the leader checks too: what is to stop is a look at a rollout. */
const looking = new AsyncLocalStorage<true>();
let armed = false;
process.on('SIGUSR2', () => (armed = true));
const check = leader.check.bind(leader);
leader.check = async (tx) => {
  await check(tx);
  if (!armed || !looking.getStore()) return;
  armed = false;
  console.log('stops in mid-transaction');
  process.kill(process.pid, 'SIGSTOP');
};
const tick = machine.tick.bind(machine);
machine.tick = async (...args) => {
  try {
    const more = await looking.run(true, () => tick(...args));
    console.log('looked');
    return more;
  } catch (error) {
    console.log('failed to look');
    throw error;
  }
};
console.log(`serves ${urls.http}`);
leader.whenLeading((term) => console.log(`leads ${term}`));

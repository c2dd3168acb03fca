import { setFlagsFromString } from 'node:v8';
import '@flotilla/protocol/sure-exit';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`the broker needs Node 24 or newer, this is ${process.version}`);
  process.exit(78);
}
if (!process.send) {
  console.error('the broker is started by flotilla-agent, with an IPC channel; it does nothing alone');
  process.exit(64);
}
// Before anything else is loaded: the heap is bounded, and its young generation stays small.
for (const flag of ['--semi-space-growth-factor=1', '--max-semi-space-size=2', '--max-old-space-size=96', '--optimize-for-size'])
  setFlagsFromString(flag);
await import('../jitless-schemas.js');
const { startProgram } = await import('./program.js');
startProgram();

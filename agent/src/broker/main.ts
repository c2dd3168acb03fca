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
// Before anything else is loaded: the young generation would grow to tens of megabytes, which it then keeps.
for (const flag of ['--semi-space-growth-factor=1', '--optimize-for-size']) setFlagsFromString(flag);
await import('../jitless-schemas.js');
const { startProgram } = await import('./program.js');
startProgram();

import { setFlagsFromString } from 'node:v8';
import '@flotilla/protocol/sure-exit';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`the gateway needs Node 24 or newer, this is ${process.version}`);
  process.exit(78);
}
if (!process.send) {
  console.error('the gateway is started by flotilla-agent, with an IPC channel; it does nothing alone');
  process.exit(64);
}
// Before anything else is loaded: the young generation would grow to tens of megabytes, which it then keeps.
for (const flag of ['--semi-space-growth-factor=1', '--optimize-for-size']) setFlagsFromString(flag);
// Libraries print there, some of them a line for each connection that they refuse; what matters is in the log.
console.log = () => {};
await import('../jitless-schemas.js');
const { startProgram } = await import('./program.js');
startProgram(process.env['FLOTILLA_LOG_LEVEL']);

import { setFlagsFromString } from 'node:v8';
import '@flotilla/protocol/sure-exit';

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`flotilla-agent needs Node 24 or newer, this is ${process.version}; start it with npm or npx from the checkout.`);
  process.exit(78);
}
// Before anything else is loaded, the young generation would grow to tens of megabytes, which it then keeps.
// And what the optimizing compilers hold is 10 MB, for little work that would be faster by them.
for (const flag of ['--semi-space-growth-factor=1', '--optimize-for-size', '--no-maglev', '--no-turbofan'])
  setFlagsFromString(flag);
// Loaded only now: an older Node cannot even load what follows, and would say so less clearly.
await import('../jitless-schemas.js');
const { commandLine } = await import('./command-line.js');
await commandLine(process.argv, process.env);

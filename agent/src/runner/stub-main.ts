import './node-version.js';
import './small-heap.js';

if (!process.send) {
  console.error('the stub is started by flotilla-agent, with an IPC channel; it does nothing alone');
  process.exit(64);
}

await import('../jitless-schemas.js');
const { startStub } = await import('./stub.js');
startStub();

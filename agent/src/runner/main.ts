import './node-version.js';
import './small-heap.js';

if (!process.send) {
  console.error('flotilla-runner is started by flotilla-agent, with an IPC channel; it does nothing alone');
  process.exit(64);
}

// Only now: what follows allocates already while it is read, and the heap's limits have to stand before.
await import('../jitless-schemas.js');
// The engine's thread loads ONNX Runtime while this one reads the rest.
const { OrtEngine } = await import('./engine/ort-engine.js');
const engine = new OrtEngine();
const { startProgram } = await import('./program.js');
startProgram({ engine, logLevel: process.env['FLOTILLA_LOG_LEVEL'] });

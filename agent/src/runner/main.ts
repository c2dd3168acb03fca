import './node-version.js';
import './small-heap.js';

if (!process.send) {
  console.error('flotilla-runner is started by flotilla-agent, with an IPC channel; it does nothing alone');
  process.exit(64);
}

// Only now: what follows allocates already while it is read, and the heap's limits have to stand before.
await import('../jitless-schemas.js');
const outside = process.env['FLOTILLA_ENGINE'];
// The engine's thread loads ONNX Runtime while this one reads the rest; where another engine computes, nobody loads it.
const builtIn = outside === undefined ? new (await import('./engine/ort-engine.js')).OrtEngine() : undefined;
const { startProgram } = await import('./program.js');
const engine = builtIn ? () => builtIn : (await import('./engine/configured.js')).configuredEngine(outside!, process.env);
startProgram({ engine, logLevel: process.env['FLOTILLA_LOG_LEVEL'] });

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';

/** `FLOTILLA_PYTHON` names another one, such as a virtual environment's. */
export const pythonProgram = process.env['FLOTILLA_PYTHON'] ?? 'python3';

/** Where `npm install node-opcua-samples@2.14.0` put it: the newest whose dependencies were all published. */
export const nodeOpcUaModules = process.env['FLOTILLA_NODE_OPCUA'] ?? '/usr/lib/node_modules';

const rtspServer = fileURLToPath(new URL('./rtsp-server.py', import.meta.url));

const listsCuda = 'import numpy, onnxruntime; assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()';

/** What a machine may lack. `FLOTILLA_REQUIRE=mosquitto` (a comma between several) turns the skip into a failure. */
const probes = {
  mosquitto: () => spawnSync('mosquitto', ['-h']).error === undefined,
  socat: () => spawnSync('socat', ['-V']).error === undefined,
  /** With what streams an MP4 of H.264 by it. */
  'gst-rtsp-server': () => spawnSync('/usr/bin/python3', [rtspServer, '--probe']).status === 0,
  prometheus: () => spawnSync('promtool', ['--version']).status === 0 && spawnSync('prometheus', ['--version']).status === 0,
  chromium: () => spawnSync('chromium', ['--version']).error === undefined,
  ffmpeg: () => spawnSync('ffmpeg', ['-version']).error === undefined,
  'onnx-testdata': () => existsSync('/usr/share/libonnx-testdata/data'),
  /** With what the Python engine needs. */
  python: () => spawnSync(pythonProgram, ['-c', 'import numpy, onnxruntime']).status === 0,
  /** A GPU of NVIDIA's, and a Python whose ONNX Runtime was built for it. */
  cuda: () => spawnSync('nvidia-smi').status === 0 && spawnSync(pythonProgram, ['-c', listsCuda]).status === 0,
  'node-opcua': () => existsSync(join(nodeOpcUaModules, 'node-opcua-samples', 'bin', 'interactive_client.js')),
  /** Python with the clients of test/peers/requirements.txt. */
  peers: () =>
    spawnSync(pythonProgram, ['-c', 'import pymodbus, asyncua, paho.mqtt, google.protobuf, standardwebhooks, pysparkplug'])
      .status === 0,
} as const;
const isRequired = (name: string) => (process.env['FLOTILLA_REQUIRE'] ?? '').split(',').includes(name);

/** Runs the tests where the program is there; else they are skipped by name, or, where it is required, run and fail. */
export function describeWith(name: keyof typeof probes, title: string, tests: () => void): void {
  if (probes[name]() || isRequired(name)) describe(title, tests);
  else describe.skip(`${title} (skipped: no ${name} on this machine)`, tests);
}

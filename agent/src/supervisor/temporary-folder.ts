import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Of this agent's children, emptied at each start: ONNX Runtime leaves two files behind with each process. */
export function temporaryFolder(dataDir: string): string {
  const folder = join(dataDir, 'tmp');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

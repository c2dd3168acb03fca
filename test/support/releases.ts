import { canonicalJson, Manifest, sha256, type Digest } from '@flotilla/protocol';
import type { TestControlPlane } from './control-plane.js';

export interface TestRelease {
  manifest: Manifest;
  /** Contents by path. */
  files: ReadonlyMap<string, Buffer>;
}

/** A whole, valid release of small files that only look like a model; changes go into the manifest or the contents. */
export function aRelease(
  version = '1.0.0',
  change: Record<string, unknown> = {},
  contents: Record<string, string> = {},
): TestRelease {
  const files = new Map(
    Object.entries({
      'model.int8.onnx': `model ${version}`,
      'labels.txt': 'cat\ndog\n',
      'golden/cases.json': JSON.stringify(golden),
      'golden/cat.jpg': 'a picture',
      ...contents,
    }).map(([path, text]) => [path, Buffer.from(text)]),
  );
  const described = [...files].map(([path, bytes]) => ({ path, sha256: sha256(bytes), size: bytes.length }));
  const manifest = {
    v: 1,
    model: 'product-classifier',
    version,
    inputs: [{ name: 'images', type: 'FP32', shape: [1, 224, 224, 3] }],
    outputs: [{ name: 'scores', type: 'FP32', shape: [1, 2] }],
    postprocess: [{ softmax: {} }, { 'top-k': { k: 2, labels: 'labels.txt' } }],
    golden: { folder: 'golden', tolerance: {} },
    variants: [{ file: 'model.int8.onnx', precision: 'int8', providers: ['cpu'] }],
    files: described,
    ...change,
  };
  return { manifest: Manifest.parse(manifest), files };
}

const golden = {
  v: 1,
  cases: [
    {
      name: 'cat',
      input: 'cat.jpg',
      tensor: { shape: [1, 224, 224, 3], stride: 1000, values: [0.5], tolerance: 0.1 },
      output: { name: 'scores', values: [0.9, 0.1], top: [{ index: 0, label: 'cat', score: 0.9 }] },
    },
  ],
};

/** The digest under which the release is known. */
export const digestOfRelease = ({ manifest }: TestRelease): Digest => sha256(canonicalJson(manifest));

export async function upload(controlPlane: TestControlPlane, { files }: TestRelease): Promise<void> {
  for (const bytes of files.values()) {
    const response = await putArtifact(controlPlane, sha256(bytes), bytes);
    if (!response.ok) throw new Error(await response.text());
  }
}

export const putArtifact = (
  controlPlane: TestControlPlane,
  digest: string,
  body: Buffer | string,
  type = 'application/octet-stream',
) =>
  fetch(`${controlPlane.url}/api/v1/artifacts/${digest}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${controlPlane.adminToken}`, 'content-type': type },
    body,
  });

/** Uploaded and pushed. */
export async function pushed(controlPlane: TestControlPlane, release: TestRelease): Promise<TestRelease> {
  await upload(controlPlane, release);
  const { status, body } = await controlPlane.api('POST', 'releases', release.manifest);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return release;
}

import { randomUUID } from 'node:crypto';
import {
  DeploymentId,
  Digest,
  InferenceWindow,
  sha256,
  sketchOf,
  SlotName,
  UpdateEvent,
  Vitals,
  type BootId,
} from '@flotilla/protocol';

const slot = SlotName.parse('classify');
export const aDeployment = () => DeploymentId.parse(randomUUID());
export const aDigest = (of = 'release') => Digest.parse(sha256(of));

/** A valid window: ten inferences of 4 ms each. */
export const aWindow = (boot: BootId, more: Partial<InferenceWindow> = {}): InferenceWindow => ({
  type: 'window',
  boot,
  slot,
  deployment: DeploymentId.parse('0192f3a0-0000-7000-8000-0000000000d1'),
  digest: aDigest(),
  variant: 'int8.onnx',
  start: 80,
  end: 90,
  ok: 10,
  errors: 0,
  sheds: 0,
  computeCpuUs: 40_000,
  queue: sketchOf(Array<number>(10).fill(50)),
  compute: sketchOf(Array<number>(10).fill(4000)),
  total: sketchOf([...Array<number>(9).fill(5000), 20_000]),
  slow: {},
  classes: { peacock: 7, barn: 3 },
  otherClasses: 0,
  scores: [0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
  queueDepthMax: 1,
  ...more,
});

export const someVitals = (boot: BootId, more: Partial<Vitals> = {}): Vitals => ({
  type: 'vitals',
  boot,
  start: 80,
  end: 90,
  cpu: 0.4,
  memoryUsedBytes: 2e9,
  memoryTotalBytes: 8e9,
  supervisorRssBytes: 9e7,
  outboxRecords: 3,
  outboxBytes: 900,
  outboxDropped: 0,
  ...more,
});

export const anUpdate = (boot: BootId, more: Partial<UpdateEvent> = {}): UpdateEvent => ({
  type: 'update',
  boot,
  uptime: 90,
  slot,
  deployment: DeploymentId.parse('0192f3a0-0000-7000-8000-0000000000d1'),
  digest: aDigest(),
  state: 'probation',
  ...more,
});

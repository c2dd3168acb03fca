import { parentPort } from 'node:worker_threads';
import type { InferenceSession, OnnxValue, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Datatype, ExecutionProvider, TensorSignature } from '@flotilla/protocol/device';
import type { Tensor, TensorData } from '../tensor.js';
import type { FromWorker, ToWorker, WorkerBegun } from './worker-messages.js';

// This file runs as JavaScript from dist and, in tests, as TypeScript stripped by Node: erasable syntax, no relative imports but types.

// ORT maps float16 onto Float16Array where that exists, and its native part then refuses the very array it asked for.
Reflect.deleteProperty(globalThis, 'Float16Array');
// ORT computes on this thread, yet waits for a turn of its event loop before each run; nothing else here needs that turn.
Object.assign(globalThis, { setImmediate: (work: () => void) => work() });
const { default: ort } = await import('onnxruntime-node');

const datatypes: Readonly<Record<string, Datatype>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};
const ortTypes = new Map(Object.entries(datatypes).map(([type, datatype]) => [datatype, type as OrtTensor.Type]));

/** By the network's name; the only one of a release has none. */
const sessions = new Map<string | undefined, InferenceSession>();
let intraOpThreads = 1;
let workers = 1;

type LoadOrder = Extract<ToWorker, { type: 'load' }>;

async function load(order: LoadOrder): Promise<FromWorker> {
  const started = performance.now();
  ({ intraOpThreads, workers } = order);
  const { created, ...used } = await createOn(order);
  sessions.set(order.network, created);
  const loadMs = performance.now() - started;
  const { inputMetadata, outputMetadata } = created;
  return {
    type: 'loaded',
    id: order.id,
    inputs: signatures(inputMetadata),
    outputs: signatures(outputMetadata),
    loadMs,
    ...used,
  };
}

type Created = { created: InferenceSession; provider: ExecutionProvider; shortfall?: string };

/** The first provider that takes the model. That this build lists it says little: its libraries may be missing. */
async function createOn(order: LoadOrder): Promise<Created> {
  const built = new Set(ort.listSupportedBackends().map(({ name }) => name));
  const obstacles: string[] = [];
  const shortfall = () => (obstacles.length > 0 ? { shortfall: obstacles.join('; ') } : {});
  for (const provider of order.providers) {
    if (provider === 'cpu') break;
    try {
      if (!built.has(provider)) throw new Error('this build of ONNX Runtime does not have it');
      return { created: await create(order, [provider, 'cpu']), provider, ...shortfall() };
    } catch (error) {
      obstacles.push(`${provider}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { created: await create(order, ['cpu']), provider: 'cpu', ...shortfall() };
}

const create = ({ path, intraOpThreads: threads, fixedShapes = false }: LoadOrder, executionProviders: string[]) =>
  ort.InferenceSession.create(path, {
    executionProviders,
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // The arena keeps what the largest run ever took, which small boards want back; where all runs are alike it is as good as free,
    // and without it the allocator maps and unmaps every large intermediate: BlazeFace then takes 2.8 ms instead of 1.4.
    enableCpuMemArena: fixedShapes,
    logSeverityLevel: 3,
    // Idle threads that spin cost a fixed-rate source most of a core and gain it nothing.
    extra: { session: { 'intra_op.allow_spinning': '0' } },
  });

const castInside = 'put a Cast inside the graph, so that its inputs and outputs are FP32, FP16 or integers of at least 8 bits';
/** As ONNX numbers them: those that the binding has no array for. */
const unsupported: Readonly<Record<string, string>> = {
  14: 'COMPLEX64',
  15: 'COMPLEX128',
  16: 'BF16',
  17: 'FP8 (E4M3FN)',
  18: 'FP8 (E4M3FNUZ)',
  19: 'FP8 (E5M2)',
  20: 'FP8 (E5M2FNUZ)',
};

/** The binding refuses such a boundary by number alone. */
function explained(error: unknown): unknown {
  const number = error instanceof Error && /^Unsupported data type: (\d+)/.exec(error.message)?.[1];
  const name = number && (unsupported[number] ?? `number ${number}`);
  return name
    ? new Error(`an input or output has the type ${name}, which can't be served; ${castInside}`, { cause: error })
    : error;
}

const signatures = (metadata: readonly InferenceSession.ValueMetadata[]) => metadata.map(signature);

function signature(metadata: InferenceSession.ValueMetadata): TensorSignature {
  if (!metadata.isTensor)
    throw new Error(
      `${metadata.name} is a sequence, a map or optional; only tensors can be served. For a classifier from scikit-learn, convert it with zipmap=False; else end the graph in tensors (ConcatFromSequence, OptionalGetElement)`,
    );
  const type = datatypes[metadata.type];
  if (!type) throw new Error(`${metadata.name} has the type ${metadata.type}, which can't be served; ${castInside}`);
  // A symbolic dimension comes as its name.
  return { name: metadata.name, type, shape: metadata.shape.map((d) => (typeof d === 'number' ? d : -1)) };
}

async function run({ id, inputs, network }: Extract<ToWorker, { type: 'run' }>): Promise<FromWorker> {
  const session = sessions.get(network);
  if (!session) throw new Error(network === undefined ? 'no model is loaded' : `no network "${network}" is loaded`);
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, feed(input)]));
  const wall = performance.now();
  const cpu = cpuUs();
  const results = await session.run(feeds);
  const times = { wallUs: Math.round((performance.now() - wall) * 1000), cpuUs: cpuUs() - cpu };
  const outputs = Object.entries(results).map(([name, value]) => output(name, value));
  return { type: 'ran', id, outputs, ...times, spent: buffersOf(inputs) };
}

/**
 * With one thread only this thread computes; more of them are ORT's own and only the process's clock sees them. That clock counts other
 * workers too: beside them, ORT's threads are taken to do as much each as this one does.
 */
function cpuUs(): number {
  const own = intraOpThreads === 1 || workers > 1;
  const { user, system } = own ? process.threadCpuUsage() : process.cpuUsage();
  return (user + system) * (own ? intraOpThreads : 1);
}

const feed = ({ type, data, shape }: Tensor) => new ort.Tensor(ortTypes.get(type)!, data as never, shape);

function output(name: string, value: OnnxValue): Tensor {
  const tensor = value as OrtTensor;
  const type = datatypes[tensor.type];
  if (!type) throw new Error(`output ${name} has the type ${tensor.type}, which can't be served`);
  return { name, type, shape: tensor.dims, data: tensor.data as TensorData };
}

/** Each once: tensors may share one. */
const buffersOf = (tensors: readonly Tensor[]) => [
  ...new Set(tensors.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer]))),
];

async function answer(message: ToWorker): Promise<void> {
  try {
    const result = message.type === 'load' ? await load(message) : await run(message);
    parentPort!.postMessage(result, result.type === 'ran' ? [...buffersOf(result.outputs), ...result.spent] : []);
  } catch (caught) {
    const error = explained(caught);
    const reason = error instanceof Error ? error.message : String(error);
    parentPort!.postMessage({ type: 'failed', id: message.id, reason } satisfies FromWorker);
  }
}

// One after the other: a second run between the two readings of the clock would be charged to the first.
let last = Promise.resolve();
parentPort!.on('message', (message: ToWorker) => {
  last = last.then(() => answer(message));
});
parentPort!.postMessage({ type: 'begun' } satisfies WorkerBegun);

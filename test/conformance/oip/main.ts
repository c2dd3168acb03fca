import { parseArgs } from 'node:util';
import { runGrpc } from './grpc/suite.js';
import { reportOf, table } from './report.js';
import { runRest } from './rest/suite.js';

const usage = `npm run conformance:oip -- [--url http://HOST:PORT] [--grpc HOST:PORT] [OPTIONS]
  --url URL            the server's REST address; this, --grpc or both
  --grpc HOST:PORT     the server's gRPC address, without TLS
  --model NAME         the model to ask; without it the only one that the server's repository index lists
  --shape INPUT=1x3x320x320  the shape to send an input in, where not any size will do (repeatable)
  --json               the whole report as JSON
Exit code: 0 all that the protocol demands was met, 1 a MUST failed, 64 the command was not understood, 69 the server can't be tested.`;

function options() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      grpc: { type: 'string' },
      model: { type: 'string' },
      shape: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || !(values.url || values.grpc)) throw new Error(usage);
  return { ...values, shapes: new Map(values.shape.map(shapeFrom)) };
}

function shapeFrom(text: string): [string, number[]] {
  const [, name, sizes] = /^(.+)=((?:\d+(?:x\d+)*)?)$/.exec(text) ?? [];
  if (name === undefined) throw new Error(`--shape ${text} is not INPUT=1x3x320x320`);
  return [name, sizes ? sizes.split('x').map(Number) : []];
}

function understood() {
  try {
    return options();
  } catch (error) {
    console.error((error as Error).message);
    return process.exit(64);
  }
}

const { url, grpc, model, shapes, json } = understood();
try {
  const asked = { shapes, ...(model === undefined ? {} : { model }) };
  const outcomes = [...(url ? await runRest({ url, ...asked }) : []), ...(grpc ? await runGrpc({ grpc, ...asked }) : [])];
  const report = reportOf({ url, grpc, model }, outcomes);
  console.log(json ? JSON.stringify(report, null, 2) : table(report));
  process.exitCode = report.failedMust > 0 ? 1 : 0;
} catch (error) {
  console.error(`the server can't be tested: ${(error as Error).message}`);
  process.exitCode = 69;
}

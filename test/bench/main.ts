import { cpus, totalmem } from 'node:os';
import type { Bench, Figure, Measured } from './figure.js';
import { Flags } from './flags.js';
import { fleetSim } from './fleet-sim.js';
import { footprint } from './footprint.js';
import { ingest } from './ingest.js';
import { killSwitch } from './kill-switch.js';
import { monitoring } from './monitoring.js';
import { outputs } from './outputs.js';
import { pipeline } from './pipeline.js';
import { predict } from './predict.js';
import { rollout } from './rollout.js';
import { swap } from './swap.js';
import { telemetryQueries } from './telemetry-queries.js';

const benches: Record<string, Bench> = {
  'fleet-sim': fleetSim,
  footprint,
  ingest,
  'kill-switch': killSwitch,
  monitoring,
  outputs,
  pipeline,
  predict,
  rollout,
  swap,
  'telemetry-queries': telemetryQueries,
};

const [name = '', ...given] = process.argv.slice(2);
const flags = new Flags(given);
const bench = benches[name];
if (!bench) {
  console.error(
    `npm run bench -- NAME [--json], NAME one of:\n${Object.entries(benches)
      .map(([n, b]) => `  ${n.padEnd(17)} ${b.about}`)
      .join('\n')}`,
  );
  process.exit(64);
}
const figures = await bench.run((line) => console.log(line), flags);
for (const [figure, result] of Object.entries(figures)) console.log(`${figure.padEnd(26)} ${row(result)}`);
if (flags.has('json')) {
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  };
  const measured = Object.entries(figures).flatMap(([figure, result]) => ('skipped' in result ? [] : [[figure, plain(result)]]));
  console.log(JSON.stringify({ bench: name, figures: Object.fromEntries(measured), machine }));
}

function row(figure: Figure): string {
  if ('skipped' in figure) return `   skipped: ${figure.skipped}`;
  const { value, unit, reach = '', interval } = figure;
  const range = interval ? `${digits(interval[0])} to ${digits(interval[1])}` : '';
  return `${(unit === 'count' ? String(value) : digits(value)).padStart(10)} ${unit.padEnd(6)} ${range.padEnd(18)} ${reach}`;
}

function digits(value: number): string {
  if (Math.abs(value) >= 10) return value.toFixed(0);
  return value.toFixed(Math.abs(value) < 1 ? 3 : 2);
}

function plain({ value, unit, interval }: Measured): Omit<Measured, 'reach'> {
  return interval ? { value, unit, interval } : { value, unit };
}

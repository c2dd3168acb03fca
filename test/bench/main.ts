import { cpus, totalmem } from 'node:os';
import { footprint } from './footprint.js';

/** A figure's value and unit; `reach`: the number to reach, where the design names one. */
export type Figure = { value: number; unit: string; reach?: string };
export type Bench = { about: string; run: (log: (line: string) => void) => Promise<Record<string, Figure>> };

const benches: Record<string, Bench> = { footprint };

const [name = '', ...flags] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  console.error(
    `npm run bench -- NAME [--json], NAME one of:\n${Object.entries(benches)
      .map(([n, b]) => `  ${n.padEnd(12)} ${b.about}`)
      .join('\n')}`,
  );
  process.exit(64);
}
const figures = await bench.run((line) => console.log(line));
for (const [figure, { value, unit, reach }] of Object.entries(figures)) {
  console.log(`${figure.padEnd(24)} ${value.toFixed(value < 10 ? 2 : 0).padStart(10)} ${unit.padEnd(6)} ${reach ?? ''}`);
}
if (flags.includes('--json')) {
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  };
  const plain = Object.fromEntries(Object.entries(figures).map(([figure, { value, unit }]) => [figure, { value, unit }]));
  console.log(JSON.stringify({ bench: name, figures: plain, machine }));
}

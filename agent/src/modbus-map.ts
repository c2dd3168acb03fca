import type { ModbusOutput } from '@flotilla/protocol/device';

/** The register map of a slot: read by whoever encodes it, prints it, or writes about it. */

export type RegisterType = 'uint16' | 'int16' | 'uint32' | 'float32' | 'ascii';
/** `at`: from the block's base. `words`: registers of 16 bits. */
export type Register = Readonly<{ name: string; at: number; words: number; type: RegisterType; meaning: string }>;
type Bit = Readonly<{ name: string; at: number; meaning: string }>;
type Layout = Pick<ModbusOutput, 'labelChars' | 'values'>;

/** It rises with each change that moves what a client reads. */
export const mapVersion = 1;

const fixed = [
  ['map-version', 'uint16', `version of this map: ${mapVersion}`],
  ['status', 'uint16', '0 no release, 1 serving, 2 safe mode'],
  ['quality', 'uint16', '0 nothing yet, 1 good, 2 uncertain, 3 stale, 4 drifting, 5 safe mode; only 1 is to be trusted'],
  ['heartbeat', 'uint16', 'counts seconds; a standstill means that the gateway is gone'],
  ['sequence', 'uint32', 'counts readings since the gateway began'],
  ['inspection-number', 'uint32', 'of the inspection that the result is of; 0 where it is of none'],
  ['inspection-id', 'uint32', 'its id where that is a number, else 0'],
  ['class', 'int16', 'place of the class in the model’s answer; -1 for none'],
  ['confidence', 'uint16', 'times 10,000'],
  ['count', 'uint16', 'how many things were found'],
  ['trigger-state', 'uint16', '0 no trigger, 1 ready, 2 busy, 3 done, 4 error'],
  ['trigger-number', 'uint32', 'of the inspection that is under way, or was last'],
  ['source-time', 'uint32', 'when the input was taken, seconds since 1970'],
  ['source-time-ms', 'uint16', 'and milliseconds'],
  ['age-ms', 'uint32', 'of the result, from its input on; 4294967295 where there is none'],
  ['release-major', 'uint16', 'major version of the release that answered'],
  ['release-minor', 'uint16', 'its minor version'],
  ['release-patch', 'uint16', 'its patch version'],
  ['release-digest', 'uint32', 'first 32 bits of its digest'],
  ['swaps', 'uint16', 'releases that took over since the agent began'],
  ['roll-backs', 'uint16', 'releases that were taken back since then'],
  ['gateway-start', 'uint32', 'seconds since 1970; another value means that the gateway was restarted'],
  ['inferred', 'uint32', 'frames, since the slot’s source was configured'],
  ['dropped', 'uint32', 'frames passed over for newer ones'],
  ['failed', 'uint32', 'frames that the model could not answer, or refused'],
  ['drift', 'uint16', '0 unknown, 1 none, 2 drifting'],
] as const satisfies readonly (readonly [string, RegisterType, string])[];
export type FixedName = (typeof fixed)[number][0];

const wordsOf: Record<RegisterType, number> = { uint16: 1, int16: 1, uint32: 2, float32: 2, ascii: 0 };
/** Where label and values begin, so that there is room for more before them. */
const variableAt = 48;

/** Of one slot, in order of their addresses. */
export function registersOf({ labelChars, values }: Layout): Register[] {
  let at = 0;
  const place = (name: string, type: RegisterType, meaning: string, words = wordsOf[type]): Register => {
    const register = { name, at, words, type, meaning };
    at += words;
    return register;
  };
  const registers = fixed.map(([name, type, meaning]) => place(name, type, meaning));
  at = variableAt;
  if (labelChars > 0)
    registers.push(place('label', 'ascii', 'the label or text, two characters a register, the first one high', labelChars / 2));
  return [
    ...registers,
    ...values.map((name) => place(`value ${name}`, 'float32', `measured "${name}"; not a number where it is absent`)),
  ];
}

/** Registers of a block. */
export function blockSize(layout: Layout): number {
  const last = registersOf(layout).at(-1)!;
  return Math.max(variableAt, last.at + last.words);
}

/** Discrete inputs, from the block's base. */
export const inputBits: readonly Bit[] = [
  { name: 'good', at: 0, meaning: 'the result can be trusted' },
  { name: 'serving', at: 1, meaning: 'a release serves' },
  { name: 'ready', at: 2, meaning: 'the trigger takes a command' },
  { name: 'busy', at: 3, meaning: 'an inspection is under way' },
  { name: 'done', at: 4, meaning: 'the inspection has its result' },
  { name: 'error', at: 5, meaning: 'the inspection has none' },
  { name: 'matches', at: 6, meaning: 'the result is of the inspection that was last' },
];
/** Coils, from the block's base; the trigger's is the only one. */
export const coilBits: readonly Bit[] = [
  { name: 'trigger', at: 0, meaning: 'on: begins an inspection; off: acknowledges its end' },
];

type Row = {
  slot: string;
  unit: number;
  table: string;
  address: number;
  words: number;
  type: string;
  name: string;
  meaning: string;
};

function rowsOf(slot: string, settings: ModbusOutput): Row[] {
  const { unit, base, trigger, wordOrder } = settings;
  const order = (words: number, type: RegisterType) =>
    words === 2 && type !== 'ascii' ? `${type}, ${wordOrder} word first` : type;
  return [
    ...registersOf(settings).map(({ name, at, words, type, meaning }) => {
      const table = 'holding and input register';
      return { slot, unit, table, address: base + at, words, type: order(words, type), name, meaning };
    }),
    ...bitRows('discrete input', inputBits),
    ...(trigger ? bitRows('coil', coilBits) : []),
  ];

  function bitRows(table: string, bits: readonly Bit[]): Row[] {
    return bits.map(({ name, at, meaning }) => ({ slot, unit, table, address: base + at, words: 1, type: 'bit', name, meaning }));
  }
}

type Slots = Readonly<Record<string, ModbusOutput>>;
const columns = ['slot', 'unit', 'table', 'address', 'words', 'type', 'name', 'meaning'] as const;

/** The map of a device as a table for people or for spreadsheets; addresses count from 0, as they are on the wire. */
export function mapTable(slots: Slots, format: 'csv' | 'markdown'): string {
  const rows = Object.entries(slots).flatMap(([slot, settings]) => rowsOf(slot, settings));
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column])))];
  if (format === 'csv') return cells.map((line) => line.map(quoted).join(',')).join('\n');
  const lines = cells.map((line) => `| ${line.join(' | ')} |`);
  return [lines[0], `|${' --- |'.repeat(columns.length)}`, ...lines.slice(1)].join('\n');
}

const quoted = (cell: string) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

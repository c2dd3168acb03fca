import type { ModbusOutput } from '@flotilla/protocol/device';
import { blockSize, type FixedName, mapVersion, type Register, registersOf } from '../../../modbus-map.js';
import type { Handshake } from '../../../core/inspection.js';
import type { LaneCounts } from '../../lane.js';
import type { Reading, ReadingQuality } from '../reading.js';

/** All that a block shows, of one moment. */
export type Shown = {
  reading: Reading;
  counts: LaneCounts | undefined;
  handshake: Handshake | undefined;
  /** Of the inspection that the result is of; 0 where it is of none. */
  inspectionNumber: number;
  /** Milliseconds since 1970. */
  now: number;
  gatewayStart: number;
  /** Seconds of the gateway's life. */
  heartbeat: number;
};

/** 0 is not good: registers that were never written are zero. */
const qualities: Record<ReadingQuality, number> = { good: 1, uncertain: 2, stale: 3, drifting: 4, 'safe-mode': 5 };
const statuses = { empty: 0, serving: 1, 'safe-mode': 2 };
const drifts = { unknown: 0, none: 1, drifting: 2 };
const triggerStates = { ready: 1, busy: 2, done: 3, error: 4 };
const unknownAge = 0xff_ff_ff_ff;

/** Encodes blocks of one slot; each is of one moment, whatever part of it is read. */
export class BlockEncoder {
  readonly size: number;
  readonly #registers: readonly Register[];

  constructor(private readonly settings: ModbusOutput) {
    this.#registers = registersOf(settings);
    this.size = blockSize(settings);
  }

  encode(shown: Shown): Buffer {
    const block = Buffer.alloc(this.size * 2);
    const numbers = fixedOf(shown);
    for (const register of this.#registers) this.#write(block, register, shown, numbers);
    return block;
  }

  #write(block: Buffer, { name, at, words, type }: Register, { reading }: Shown, numbers: Record<FixedName, number>): void {
    const headline = reading.result?.headline;
    if (type === 'ascii') writeText(block.subarray(at * 2, (at + words) * 2), headline?.label ?? '');
    else if (type === 'float32') this.#two(block, at, (half) => half.writeFloatBE(valueOf(headline?.values, name), 0));
    else if (type === 'uint32') this.#two(block, at, (half) => half.writeUInt32BE(numbers[name as FixedName] >>> 0, 0));
    else if (type === 'int16') block.writeInt16BE(clamp(numbers[name as FixedName], -0x80_00, 0x7f_ff), at * 2);
    else block.writeUInt16BE(clamp(numbers[name as FixedName], 0, 0xff_ff), at * 2);
  }

  #two(block: Buffer, at: number, write: (four: Buffer) => void): void {
    const four = block.subarray(at * 2, at * 2 + 4);
    write(four);
    if (this.settings.wordOrder === 'little') four.swap32().swap16();
  }
}

function fixedOf({
  reading,
  counts,
  handshake,
  inspectionNumber,
  now,
  gatewayStart,
  heartbeat,
}: Shown): Record<FixedName, number> {
  const { result, status, quality, sequence } = reading;
  const [major, minor, patch] = versionOf(result?.prediction.release);
  return {
    'map-version': mapVersion,
    status: statuses[status.state],
    quality: result || quality === 'safe-mode' ? qualities[quality] : 0,
    heartbeat: heartbeat % 0x1_00_00,
    sequence,
    'inspection-number': inspectionNumber,
    'inspection-id': numberIn(result?.prediction.inspection),
    class: result?.headline.index ?? -1,
    confidence: Math.round((result?.headline.confidence ?? 0) * 10_000),
    count: result?.headline.count ?? 0,
    'trigger-state': handshake ? triggerStates[handshake.state] : 0,
    'trigger-number': handshake?.sequence ?? 0,
    'source-time': Math.floor((result?.capturedAt ?? 0) / 1000),
    'source-time-ms': (result?.capturedAt ?? 0) % 1000,
    'age-ms': result ? clamp(now - result.capturedAt, 0, unknownAge) : unknownAge,
    'release-major': major,
    'release-minor': minor,
    'release-patch': patch,
    'release-digest': result ? Number.parseInt(result.prediction.digest.slice(0, 8), 16) : 0,
    swaps: status.swaps % 0x1_00_00,
    'roll-backs': status.rollBacks % 0x1_00_00,
    'gateway-start': Math.floor(gatewayStart / 1000),
    inferred: counts?.inferred ?? 0,
    dropped: counts?.dropped ?? 0,
    failed: (counts?.failed ?? 0) + (counts?.refused ?? 0),
    drift: drifts[status.drift],
  };
}

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, Math.trunc(value)));

/** Of `model@1.2.3`; a pre-release is left out. */
function versionOf(release: string | undefined): [number, number, number] {
  const match = /@(\d+)\.(\d+)\.(\d+)/.exec(release ?? '');
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0), Number(match?.[3] ?? 0)];
}

function numberIn(id: string | undefined): number {
  const number = id !== undefined && /^\d{1,10}$/.test(id) ? Number(id) : 0;
  return number <= 0xff_ff_ff_ff ? number : 0;
}

function valueOf(values: readonly { name: string; value: number }[] | undefined, register: string): number {
  return values?.find(({ name }) => register === `value ${name}`)?.value ?? Number.NaN;
}

/** What is cut off or has no place in ASCII is a question mark; what is left over is zero. */
function writeText(into: Buffer, text: string): void {
  into.write(
    text
      .normalize('NFKD')
      .replaceAll(/[\u0300-\u036F]/g, '')
      .replaceAll(/[^\x20-\x7E]/gu, '?'),
    'latin1',
  );
}

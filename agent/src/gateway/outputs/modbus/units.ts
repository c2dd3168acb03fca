import { Exception, type SlotBlock } from './slot-block.js';

/** Function codes (MODBUS Application Protocol V1.1b3, 6). */
const readCoils = 1;
const readInputs = 2;
const readHolding = 3;
const readInputRegisters = 4;
const writeCoil = 5;
const writeCoils = 15;
const mostRegisters = 125;
const mostBits = 2000;
/** By which clients that know no unit identifiers mean the device itself. */
const itself = [0, 255];

/** The slots of a server by unit and address, and what is answered to a request. */
export class Units {
  readonly #units = new Map<number, SlotBlock[]>();

  /** Throws an Error that says what to change where two blocks overlap. */
  constructor(blocks: readonly SlotBlock[]) {
    for (const block of blocks) {
      const { unit } = block.settings;
      const others = this.#units.get(unit) ?? [];
      const other = others.find((its) => overlap(its, block));
      if (other) throw new Error(overlapComplaint(other, block));
      this.#units.set(unit, [...others, block]);
    }
  }

  /** The answer's PDU, an exception included. */
  answer(unit: number, pdu: Buffer): Buffer {
    try {
      return this.#answer(this.#blocks(unit), pdu);
    } catch (error) {
      const code = error instanceof Exception ? error.code : 4;
      return Buffer.from([(pdu[0] ?? 0) | 0x80, code]);
    }
  }

  #blocks(unit: number): readonly SlotBlock[] {
    const only = this.#units.size === 1 && itself.includes(unit) ? [...this.#units.values()][0] : undefined;
    const blocks = this.#units.get(unit) ?? only;
    if (!blocks) throw new Exception(11);
    return blocks;
  }

  #answer(blocks: readonly SlotBlock[], pdu: Buffer): Buffer {
    const code = pdu[0] ?? 0;
    switch (code) {
      case readHolding:
      case readInputRegisters:
        return registers(blocks, pdu);
      case readInputs:
        return bits(
          blocks,
          pdu,
          ({ inputs }) => inputs,
          (block) => block.readInputs(),
        );
      case readCoils:
        return bits(
          blocks,
          pdu,
          ({ coils }) => coils,
          (block) => block.readCoils(),
        );
      case writeCoil:
        return write(blocks, pdu);
      case writeCoils:
        return writeMany(blocks, pdu);
      default:
        throw new Exception(1);
    }
  }
}

type Range = (block: SlotBlock) => [number, number];

/** A range lies within one slot: what is read together is of one moment. Throws Exception. */
function blockAt(blocks: readonly SlotBlock[], at: number, count: number, range: Range): SlotBlock {
  const block = blocks.find((its) => at >= range(its)[0] && at + count <= range(its)[1]);
  if (!block) throw new Exception(2);
  return block;
}

function asked(pdu: Buffer, most: number): { at: number; count: number } {
  if (pdu.byteLength !== 5) throw new Exception(3);
  const [at, count] = [pdu.readUInt16BE(1), pdu.readUInt16BE(3)];
  if (count < 1 || count > most) throw new Exception(3);
  return { at, count };
}

function registers(blocks: readonly SlotBlock[], pdu: Buffer): Buffer {
  const { at, count } = asked(pdu, mostRegisters);
  const block = blockAt(blocks, at, count, (its) => its.registers);
  const from = (at - block.registers[0]) * 2;
  return Buffer.concat([Buffer.from([pdu[0]!, count * 2]), block.read().subarray(from, from + count * 2)]);
}

function bits(blocks: readonly SlotBlock[], pdu: Buffer, range: Range, read: (block: SlotBlock) => boolean[]): Buffer {
  const { at, count } = asked(pdu, mostBits);
  const block = blockAt(blocks, at, count, range);
  const from = at - range(block)[0];
  const packed = Buffer.alloc(Math.ceil(count / 8));
  for (const [i, on] of read(block)
    .slice(from, from + count)
    .entries())
    if (on) packed[i >> 3]! |= 1 << (i & 7);
  return Buffer.concat([Buffer.from([pdu[0]!, packed.byteLength]), packed]);
}

const on = 0xff_00;

function write(blocks: readonly SlotBlock[], pdu: Buffer): Buffer {
  writable(blocks);
  const [at, value] = [pdu.byteLength === 5 ? pdu.readUInt16BE(1) : -1, pdu.byteLength === 5 ? pdu.readUInt16BE(3) : -1];
  if (value !== on && value !== 0) throw new Exception(3);
  blockAt(blocks, at, 1, (its) => its.coils).writeCoil(value === on);
  return pdu;
}

/** Some controllers know only this one; there is one coil to write. */
function writeMany(blocks: readonly SlotBlock[], pdu: Buffer): Buffer {
  writable(blocks);
  if (pdu.byteLength !== 7 || pdu.readUInt16BE(3) !== 1 || pdu[5] !== 1) throw new Exception(pdu.byteLength < 7 ? 3 : 2);
  blockAt(blocks, pdu.readUInt16BE(1), 1, (its) => its.coils).writeCoil((pdu[6]! & 1) === 1);
  return pdu.subarray(0, 5);
}

/** Where nothing can be written, the function does not exist. */
function writable(blocks: readonly SlotBlock[]): void {
  if (!blocks.some(({ settings }) => settings.trigger)) throw new Exception(1);
}

const overlap = (one: SlotBlock, other: SlotBlock) =>
  one.registers[0] < other.registers[1] && other.registers[0] < one.registers[1];

function overlapComplaint(one: SlotBlock, other: SlotBlock): string {
  const [from, to] = one.registers;
  return `the registers of "${other.port.slot}" would lie over those of "${one.port.slot}" (unit ${one.settings.unit}, ${from} to ${to - 1}): give it another unit, or base: ${to}`;
}

import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { openModbus } from '@flotilla/agent/gateway/outputs/modbus/modbus';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { registersOf } from '@flotilla/agent/modbus-map';
import { ModbusOutput } from '@flotilla/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Peer } from '../support/peer.js';
import { describeWith } from '../support/required.js';

type Answer = { registers?: number[]; bits?: boolean[]; exception?: number; written?: true; error?: string; value?: number };
const log = pino({ level: 'silent' });

describeWith('peers', 'pymodbus', () => {
  let press: FedPort;
  let output: ReturnType<typeof openModbus>;
  let peer: Peer;
  let port: number;
  const settings = { base: 100, unit: 7, values: ['width'], trigger: true };
  const registers = registersOf({ labelChars: 32, values: ['width'] });

  beforeEach(async () => {
    press = new FedPort('press', { trigger: { acknowledgeMs: 60_000 } });
    port = await freePort();
    await serve();
    peer = new Peer('modbus_client.py', port);
  });
  afterEach(async () => {
    await peer.stop();
    await output.stop('shutdown');
    press.port.close();
  });

  async function serve(differently: object = {}) {
    const parsed = ModbusOutput.parse({ port, ...settings, ...differently });
    output = openModbus({ settings: parsed, slots: [{ port: press.port, settings: parsed }], device: 'd', folder: '', log });
    output.start();
    await expect.poll(() => output.status.state, { timeout: 10_000 }).toBe('running');
  }
  function ask(command: string, args: unknown[], options: object = { device_id: 7 }): Promise<Answer> {
    peer.tell(JSON.stringify([command, args, options]));
    return peer.next<Answer>();
  }
  const read = (address: number, count: number, command = 'read_input_registers') =>
    ask(command, [address], { count, device_id: 7 });
  /** A register by its name, as pymodbus understands it. */
  async function value(name: string, kind: string, order = 'big') {
    const { at, words } = registers.find((its) => its.name === name)!;
    const { registers: raw } = await read(100 + at, words);
    return (await ask('convert', [raw, kind, order], {})).value;
  }

  it('reads all of the map, by both functions, and makes of it what was meant', async () => {
    press.publish({ top: [{ label: 'LOT 7', index: 300, score: 0.5 }], values: [{ name: 'width', value: -2.5 }] });
    const whole = await read(100, 66);
    expect(whole.registers).toHaveLength(66);
    expect((await read(100, 66, 'read_holding_registers')).registers?.slice(4, 19)).toEqual(whole.registers!.slice(4, 19));
    expect(await value('sequence', 'UINT32')).toBe(2);
    expect(await value('class', 'INT16')).toBe(300);
    expect(await value('value width', 'FLOAT32')).toBe(-2.5);
    expect(await value('label', 'STRING')).toBe('LOT 7');
  });

  it('reads numbers of two registers with the low word first', async () => {
    await output.stop('shutdown');
    await serve({ wordOrder: 'little' });
    press.publish({ values: [{ name: 'width', value: 1234.5 }] });
    expect(await value('value width', 'FLOAT32', 'little')).toBe(1234.5);
    expect(await value('sequence', 'UINT32', 'little')).toBe(2);
  });

  it('is told what it may not', async () => {
    expect(await read(99, 1)).toEqual({ exception: 2 });
    expect(await read(165, 2)).toEqual({ exception: 2 });
    expect(await ask('read_input_registers', [100], { count: 1, device_id: 8 })).toEqual({ exception: 11 });
    expect(await ask('write_register', [100, 1])).toEqual({ exception: 1 });
    expect(await ask('write_registers', [100, [1, 2]])).toEqual({ exception: 1 });
    expect(await ask('write_coil', [101, true])).toEqual({ exception: 2 });
  });

  it('sets an inspection off and hears of its end', async () => {
    const bits = async () => (await ask('read_discrete_inputs', [100], { count: 7, device_id: 7 })).bits?.slice(0, 7);
    expect(await ask('write_coil', [100, true])).toEqual({ written: true });
    expect(await bits()).toEqual([false, true, false, true, false, false, false]);
    expect(await ask('write_coils', [100, [true]])).toEqual({ written: true });
    press.inspect();
    expect(await bits()).toEqual([true, true, false, false, true, false, true]);
    expect(await value('inspection-number', 'UINT32')).toBe(1);
    expect(await ask('write_coil', [100, false])).toEqual({ written: true });
    expect(await bits()).toEqual([true, true, true, false, false, false, true]);
  });

  it('finds a server that was begun anew, which says so', async () => {
    const before = await value('heartbeat', 'UINT16');
    await output.stop('shutdown');
    expect((await read(100, 1)).error).toBeDefined();
    await serve();
    expect(await value('heartbeat', 'UINT16')).toBeGreaterThanOrEqual(before!);
    expect(await value('quality', 'UINT16')).toBe(0);
  });
});

import { describe, expect, test } from 'vitest';
import { type ConnectionLimits, Limiter } from './limiter.js';

const limits: ConnectionLimits = {
  maxPacketBytes: 1000,
  packetsPerS: 10,
  packetBurst: 20,
  bytesPerS: 1000,
  byteBurst: 2000,
  dropAfterMs: 5000,
};
const ping = Buffer.from([0xc0, 0x00]);
const pings = (n: number) => Buffer.concat(Array.from({ length: n }, () => ping));

describe('packet size', () => {
  test('a packet over the limit is refused at its fixed header, before its content came', () => {
    const header = Buffer.from([0x30, 0x80, 0x80, 0x80, 0x20]);
    expect(new Limiter(limits, 0).admit(header, 0)).toEqual({ drop: 'oversize' });
  });

  test('a packet of exactly the limit passes, one byte more does not', () => {
    expect(new Limiter(limits, 0).admit(Buffer.from([0x30, 0xe8, 0x07]), 0)).toEqual({ waitMs: 0 });
    expect(new Limiter(limits, 0).admit(Buffer.from([0x30, 0xe9, 0x07]), 0)).toEqual({ drop: 'oversize' });
  });

  test('headers are followed across chunks of one byte', () => {
    const limiter = new Limiter(limits, 0);
    const packets = Buffer.concat([Buffer.from([0x30, 0x03, 1, 2, 3]), ping, Buffer.from([0x30, 0xe9, 0x07])]);
    const verdicts = [...packets].map((byte) => limiter.admit(Buffer.from([byte]), 0));
    expect(verdicts.slice(0, -1).every((verdict) => 'waitMs' in verdict)).toBe(true);
    expect(verdicts.at(-1)).toEqual({ drop: 'oversize' });
  });

  test('types that do not exist and lengths of five bytes are malformed', () => {
    expect(new Limiter(limits, 0).admit(Buffer.from('GET / HTTP/1.1\r\n'), 0)).not.toEqual({ drop: 'malformed' });
    expect(new Limiter(limits, 0).admit(Buffer.from([0x00]), 0)).toEqual({ drop: 'malformed' });
    expect(new Limiter(limits, 0).admit(Buffer.from([0xf0]), 0)).toEqual({ drop: 'malformed' });
    expect(new Limiter(limits, 0).admit(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80]), 0)).toEqual({ drop: 'malformed' });
  });
});

describe('rates', () => {
  test('a burst passes at once, the next packet waits until it is paid for', () => {
    const limiter = new Limiter(limits, 0);
    expect(limiter.admit(pings(20), 0)).toEqual({ waitMs: 0 });
    expect(limiter.admit(ping, 0)).toEqual({ waitMs: 100 });
    expect(limiter.admit(ping, 1000)).toEqual({ waitMs: 0 });
  });

  test('bytes are counted too, and only slow a connection down', () => {
    const limiter = new Limiter(limits, 0);
    const body = Buffer.concat([Buffer.from([0x30, 0xe8, 0x07]), Buffer.alloc(1000)]);
    let now = 0;
    for (let i = 0; i < 100; i++) {
      const verdict = limiter.admit(body, now);
      expect(verdict).toHaveProperty('waitMs');
      now += 'waitMs' in verdict ? verdict.waitMs : 0;
    }
    expect(now).toBeGreaterThan(90_000);
  });

  test('one that stays over its packet rate is dropped', () => {
    const limiter = new Limiter(limits, 0);
    const verdicts = Array.from({ length: 10 }, (_, second) => limiter.admit(pings(30), second * 1000));
    expect(verdicts[4]).toHaveProperty('waitMs');
    expect(verdicts.findIndex((verdict) => 'drop' in verdict && verdict.drop === 'flood')).toBe(5);
  });

  test('one that comes back under its rate is forgiven', () => {
    const limiter = new Limiter(limits, 0);
    limiter.admit(pings(30), 0);
    expect(limiter.admit(ping, 4000)).toEqual({ waitMs: 0 });
    limiter.admit(pings(60), 4500);
    expect(limiter.admit(ping, 6000)).toHaveProperty('waitMs');
  });
});

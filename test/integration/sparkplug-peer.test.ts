import { FedPort } from '@flotilla/agent/gateway/fixtures/ports';
import { Folders } from '@flotilla/agent/gateway/fixtures/folders';
import { openSparkplug } from '@flotilla/agent/gateway/outputs/sparkplug/sparkplug';
import { freePort } from '@flotilla/agent/supervisor/fixtures/loopback';
import { SparkplugOutput } from '@flotilla/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Peer } from '../support/peer.js';
import { PlainMosquitto } from '../support/plain-mosquitto.js';
import { describeWith } from '../support/required.js';

type Told = { name: string; type: string; value: unknown; historical: boolean };
type Message = { verb: string; device: string; gap: boolean; metrics: Told[] };
const log = pino({ level: 'silent' });

describeWith('peers', 'a Sparkplug host on pysparkplug, by way of mosquitto', () => {
  const folders = new Folders();
  let press: FedPort;
  let broker: PlainMosquitto;
  let output: ReturnType<typeof openSparkplug>;
  let host: Peer;

  beforeEach(async () => {
    const folder = await folders.make();
    const port = await freePort();
    press = new FedPort('press', { trigger: {} });
    broker = new PlainMosquitto(folder, port);
    await broker.start();
    host = new Peer('sparkplug_host.py', port, 'scada', 'plant', 'cell');
    const settings = SparkplugOutput.parse({ url: `mqtt://127.0.0.1:${port}`, group: 'plant', primaryHost: 'scada' });
    output = openSparkplug({ settings, slots: [{ port: press.port, settings }], device: 'cell', folder, log });
    output.start();
  });
  afterEach(async () => {
    await host.stop();
    await output.stop('shutdown');
    await broker.stop();
    press.port.close();
    await folders.clear();
  });

  async function heard(wanted: (message: Message) => boolean): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      all.push(await host.next<Message>());
      if (wanted(all.at(-1)!)) return all;
    }
  }
  const sees = (label: string) => press.publish({ top: [{ label, index: 1, score: 0.9 }] });
  const tells =
    (name: string, value: unknown, verb = 'DDATA') =>
    (message: Message) =>
      message.verb === verb && message.metrics.some((metric) => metric.name === name && metric.value === value);

  it('knows every metric by its birth, and each change by its alias', async () => {
    host.tell('online');
    const births = await heard(({ verb }) => verb === 'DBIRTH');
    expect(births.map(({ verb, device }) => `${verb} ${device}`)).toEqual(['NBIRTH ', 'DBIRTH press']);
    expect(births[1]!.metrics).toContainEqual({ name: 'Confidence', type: 'DOUBLE', value: null, historical: false });
    sees('crack');
    const [data] = await heard(tells('Class', 'crack'));
    expect(data!.metrics).toContainEqual({ name: 'Class Index', type: 'INT32', value: 1, historical: false });
    expect(data!.gap).toBe(false);
  });

  it('asks for a birth when it missed a message, and gets it', async () => {
    host.tell('online');
    await heard(({ verb }) => verb === 'DBIRTH');
    host.tell('blind 1');
    sees('missed');
    sees('after');
    const all = await heard(tells('Class', 'after', 'DBIRTH'));
    expect(all.some(({ gap }) => gap)).toBe(true);
    sees('well');
    expect((await heard(tells('Class', 'well'))).every(({ gap }) => !gap)).toBe(true);
  });

  it('is told as history what happened while it was offline', async () => {
    host.tell('online');
    await heard(({ verb }) => verb === 'DBIRTH');
    host.tell('offline');
    const death = await heard(({ verb }) => verb === 'NDEATH');
    expect(death.at(-1)!.metrics).toMatchObject([{ name: 'bdSeq', type: 'INT64' }]);
    await expect.poll(() => output.status.reason, { timeout: 20_000 }).toContain('is offline');
    sees('unheard');
    sees('now');
    host.tell('online');
    const all = await heard(tells('Class', 'unheard'));
    expect(all.find(({ verb }) => verb === 'DBIRTH')!.metrics).toContainEqual(
      expect.objectContaining({ name: 'Class', value: 'now' }),
    );
    expect(all.at(-1)!.metrics.every(({ historical }) => historical)).toBe(true);
  });

  it('triggers an inspection', async () => {
    host.tell('online');
    await heard(({ verb }) => verb === 'DBIRTH');
    host.tell('write press Inspection/Trigger part-7');
    await heard(tells('Inspection/State', 'busy'));
    press.inspect({ top: [{ label: 'crack', index: 1, score: 0.9 }] });
    const all = await heard(tells('Inspection/State', 'done'));
    expect(all.some(tells('Inspection/Result', 'part-7'))).toBe(true);
  });

  it('is told what was sent into a broker that was killed', async () => {
    host.tell('online');
    await heard(({ verb }) => verb === 'DBIRTH');
    sees('before');
    await heard(tells('Class', 'before'));
    await broker.stop();
    await expect.poll(() => output.status.state, { timeout: 20_000 }).toBe('waiting');
    sees('meanwhile');
    await broker.start();
    // The host's client comes back by itself, and says again that it is there.
    await heard(tells('Class', 'meanwhile'));
  });
});

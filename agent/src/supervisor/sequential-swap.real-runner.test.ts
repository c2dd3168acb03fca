import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetOfOne } from './fixtures/fleet-of-one.js';
import { freePort } from './fixtures/loopback.js';
import { publishFolder, releases } from './fixtures/shipped-releases.js';

const repository = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const runnerPath = repository('agent/dist/runner/main.js');
const photographs = repository('test/models/photographs');
const publish = (version: string) => publishFolder(device.server, `${releases}/${version}`);

let device: FleetOfOne;
afterEach(() => device.end());

// Built by `npm test` before anything is run; a bare `vitest run` on a fresh clone has no runner yet.
describe.skipIf(!existsSync(runnerPath))('a slot with the real runner', () => {
  it('swaps sequentially where memory allows no two, and brings the incumbent back when the candidate fails', async () => {
    const port = await freePort();
    const source = { directory: photographs, perSecond: 10, then: 'repeat' } as const;
    const slots = { inspection: { listen: { http: { host: '127.0.0.1', port } }, source } };
    const swap = { mode: 'auto', budgetBytes: 4e9, availableBytes: () => 100e6 } as const;
    device = await FleetOfOne.make({ runnerPath, slots, swap, deadlines: {} });
    const good = device.assign(publish('1.0.0'));
    await device.reported(good, 'committed', 60_000);
    const client = new Client(`http://127.0.0.1:${port}/v2/models/inspection/ready`);

    const broken = device.assign(publish('1.3.0'));
    await device.reported(broken, 'failed golden', 60_000);
    await device.serves(good.manifestDigest);
    expect(device.told(broken)).not.toContain('preflight');
    const better = device.assign(publish('1.2.0'));
    await device.reported(better, 'committed', 60_000);
    await device.serves(better.manifestDigest);
    const gap = device.reports.find((r) => r.deployment === better.deployment && r.state === 'probation')?.reason;
    expect(Number(/^sequential swap: nothing served for ([\d.]+) s$/.exec(gap ?? '')?.[1])).toBeGreaterThan(0);

    const statuses = await client.end();
    // Nobody was refused or cut: they waited for what came next, or were told why they had to.
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(2);
  }, 180_000);
});

/** Asks again and again on connections of its own, and keeps what it was answered. */
class Client {
  readonly #statuses: (number | string)[] = [];
  #ended = false;
  readonly #loop: Promise<void>;

  constructor(private readonly url: string) {
    this.#loop = this.#ask();
  }

  async end(): Promise<(number | string)[]> {
    this.#ended = true;
    await this.#loop;
    return this.#statuses;
  }

  async #ask(): Promise<void> {
    while (!this.#ended) {
      const answer = fetch(this.url, { headers: { connection: 'close' } });
      this.#statuses.push(await answer.then((response) => response.arrayBuffer().then(() => response.status), String));
    }
  }
}

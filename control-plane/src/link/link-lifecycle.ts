import type { Logger } from '../platform/logger.js';
import type { OutboxBell } from '../platform/outbox-bell.js';
import type { Clock } from '../platform/tokens.js';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import type { DeviceInbox } from './device-inbox.js';
import type { Ingest } from './ingest.js';
import type { MqttLink } from './mqtt-client.js';
import type { OutboxDispatcher } from './outbox-dispatcher.js';
import type { PresenceWatch } from './presence.js';

type Parts = {
  link: MqttLink;
  inbox: DeviceInbox;
  ingest: Ingest;
  dispatcher: OutboxDispatcher;
  presence: PresenceWatch;
  bell: OutboxBell;
  log: Logger;
  clock: Clock;
};

const presenceEveryMs = 1000;

/** Starts what listens to devices, and stops it in the order in which nothing that was taken is left half done. */
export class LinkLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #parts: Parts;
  #presence: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  onApplicationBootstrap(): void {
    const { link, inbox, ingest, dispatcher, bell } = this.#parts;
    ingest.start();
    dispatcher.start();
    link.start(inbox.receive);
    link.onConnect(dispatcher.wake);
    bell.onRing(dispatcher.wake);
    this.#presence = setInterval(() => void (this.#checking ??= this.#check()), presenceEveryMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { link, ingest, dispatcher } = this.#parts;
    clearInterval(this.#presence);
    await this.#checking;
    await dispatcher.stop();
    // Acknowledgements of what was stored last still go out.
    await ingest.stop();
    await link.stop();
  }

  async #check(): Promise<void> {
    const { presence, link, log, clock } = this.#parts;
    try {
      await presence.check(clock.now(), link.connected);
    } catch (error) {
      log.warn({ err: error }, 'presence could not be checked; it is tried again');
    } finally {
      this.#checking = undefined;
    }
  }
}

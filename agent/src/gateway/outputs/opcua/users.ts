import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { OpcUaOutput } from '@flotilla/protocol/device';
import { messageOf } from '../../../errors.js';
import type { Logger } from '../../../log.js';
import { Seldom } from './seldom.js';

/** A wrong password waits for its answer: guessing is slow. */
const wrongMs = 500;

/** Who may open a session by name and password. */
export class Users {
  readonly #wrong = new Seldom();

  constructor(
    private readonly users: OpcUaOutput['users'],
    private readonly log: Logger,
  ) {}

  /** Throws with what is wrong with a file. */
  async check(): Promise<void> {
    for (const { passwordFile } of this.users) await passwordIn(passwordFile);
  }

  async admits(name: string, password: string): Promise<boolean> {
    const user = this.users.find((its) => its.name === name);
    try {
      if (user && isSame(await passwordIn(user.passwordFile), password)) return true;
    } catch (error) {
      this.log.error({ output: 'opcua', user: name, reason: messageOf(error) }, 'the password can not be read');
    }
    this.#wrong.tell((others) =>
      this.log.warn(
        { output: 'opcua', user: name.slice(0, 64), others },
        'a client gave a user name or password that is not known',
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, wrongMs));
    return false;
  }
}

async function passwordIn(path: string): Promise<string> {
  const password = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`${path} can not be read: ${messageOf(error)}`);
  });
  if (password.trim() === '') throw new Error(`${path} is empty: it must hold a password`);
  return password.trim();
}

const digest = (text: string) => createHash('sha256').update(text).digest();
const isSame = (one: string, other: string) => timingSafeEqual(digest(one), digest(other));

import type { Agent, IncomingMessage } from 'node:http';
import { isErrno, messageOf } from '../errors.js';
import { decodeAnswer, encodeFrame, type Frame, type FrameAnswer, FrameError, frameType } from '../frame.js';
import { http } from '../node-http.js';
import { Prediction } from '../prediction.js';

/** `refused`: the input is at fault. `failed`: the model is. `busy`: too much is asked of the runner. `unavailable`: none serves now. */
type RunnerTrouble = 'refused' | 'failed' | 'busy' | 'unavailable';
export class RunnerError extends Error {
  override readonly name = 'RunnerError';
  constructor(
    readonly trouble: RunnerTrouble,
    message: string,
  ) {
    super(message);
  }
}

/** Beyond what the supervisor gives an inference before it ends the runner. */
const patienceMs = 120_000;
const mostAnswerBytes = 16 * 1024 * 1024;

/** Frames to whichever runner listens on the slot's socket: connections stay, and a swap moves them to the next one. */
export class RunnerClient {
  readonly #agent: Agent;

  constructor(
    private readonly slot: string,
    private readonly socketPath: string,
    connections = 2,
  ) {
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Throws RunnerError. The payload may be sent again: nothing of it is kept. */
  async infer(frame: Frame): Promise<FrameAnswer<Prediction>> {
    const { status, body } = await this.#post(encodeFrame(frame));
    if (status !== 200) throw new RunnerError(troubleOf(status), reasonOf(body, status));
    try {
      return decodeAnswer(body, Prediction);
    } catch (error) {
      if (error instanceof FrameError) throw new RunnerError('failed', error.message);
      throw error;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(body: Buffer): Promise<{ status: number; body: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Buffer }>();
    const request = http.request({
      agent: this.#agent,
      socketPath: this.socketPath,
      method: 'POST',
      path: `/v1/slots/${this.slot}/frames`,
      headers: { 'content-type': frameType, 'content-length': body.byteLength },
      timeout: patienceMs,
    });
    request.once('response', (response) => {
      collect(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), fail);
    });
    request.once('error', fail);
    request.once('timeout', () => request.destroy(new Error(`no answer within ${patienceMs / 1000} s`)));
    request.end(body);
    return promise;

    function fail(error: unknown): void {
      const nobody = isErrno(error, 'ECONNREFUSED', 'ENOENT', 'EAGAIN');
      reject(
        new RunnerError(
          'unavailable',
          nobody
            ? 'no runner listens: no release serves the slot yet, or it is being started'
            : `the runner went away: ${messageOf(error)}`,
        ),
      );
    }
  }
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes > mostAnswerBytes) throw new Error(`its answer is larger than ${mostAnswerBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function troubleOf(status: number): RunnerTrouble {
  if (status === 429) return 'busy';
  if (status === 503) return 'unavailable';
  return status >= 500 ? 'failed' : 'refused';
}

function reasonOf(body: Buffer, status: number): string {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Told below, by its status.
  }
  return `the runner answered ${status}`;
}

import { connect, type Socket } from 'node:net';
import { type Call, type Connection, dataOf, type Outcome, type Target, type Transport } from './transport.js';

/** REST with binary tensors on keep-alive connections, over TCP or a UNIX socket. A client as light as can be: it shares the cores. */
export const rest: Transport = {
  async open(target, call) {
    const request = requestOf(call);
    const connection = new RestConnection(target, () => request, call.outputBytes);
    await connection.connect();
    return connection;
  },
};

function requestOf({ slot, inputs, timeoutMs }: Call): Buffer {
  const tensors = inputs.map((input) => ({ ...input, ...dataOf(input) }));
  const described = tensors.map(({ name, type, shape, bytes }) => ({
    name,
    datatype: type,
    shape,
    parameters: { binary_data_size: bytes.length },
  }));
  const timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs * 1000 };
  const json = Buffer.from(JSON.stringify({ parameters: { binary_data_output: true, ...timeout }, inputs: described }));
  const body = Buffer.concat([json, ...tensors.map(({ bytes }) => bytes)]);
  const head = [
    `POST /v2/models/${slot}/infer HTTP/1.1`,
    'host: localhost',
    'content-type: application/octet-stream',
    `inference-header-content-length: ${json.length}`,
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]);
}

type Answer = { status: number; bodyBytes: number; closes: boolean };

/** `request`: the next one, head and body. `outputBytes`: what an answer's body has at least. */
export class RestConnection implements Connection {
  #socket: Socket | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;
  #head = '';
  #answer: Answer | undefined;
  #received = 0;

  constructor(
    private readonly target: Target,
    private readonly request: () => Buffer,
    private readonly outputBytes: number,
  ) {}

  async connect(): Promise<Socket> {
    const socket = connect({ ...this.target, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    // One that was left, after an answer that ended it, has no say any more.
    const ifCurrent = (then: () => void) => () => this.#socket === socket && then();
    socket.on('data', (chunk: Buffer) => ifCurrent(() => this.#read(chunk))());
    socket.on('error', (error) => ifCurrent(() => this.#fail(error.message))());
    // The server's end between two requests is no failure; in the middle of one it is.
    socket.on(
      'end',
      ifCurrent(() => this.#fail('the server ended the connection before it answered')),
    );
    socket.on(
      'close',
      ifCurrent(() => this.#fail('the server closed the connection before it answered')),
    );
    this.#socket = socket;
    return socket;
  }

  async infer(): Promise<Outcome> {
    let socket: Socket;
    try {
      socket = this.#socket ?? (await this.connect());
    } catch (error) {
      return { kind: 'failed', reason: (error as Error).message };
    }
    return new Promise((resolve) => {
      this.#settle = resolve;
      socket.write(this.request());
    });
  }

  close(): void {
    this.#socket?.destroy();
  }

  #read(chunk: Buffer): void {
    let body = chunk;
    if (!this.#answer) {
      const before = this.#head.length;
      this.#head += chunk.toString('latin1');
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#answer = parsed(this.#head.slice(0, end));
      body = chunk.subarray(end + 4 - before);
    }
    this.#received += body.length;
    if (this.#received >= this.#answer.bodyBytes) this.#answered(this.#answer, body);
  }

  #answered({ status, bodyBytes, closes }: Answer, end: Buffer): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#head = '';
    this.#answer = undefined;
    this.#received = 0;
    if (closes) this.#leave();
    if (status === 429) settle?.({ kind: 'shed' });
    else if (status !== 200) settle?.({ kind: 'failed', reason: `${status}: ${end.toString('utf8').slice(0, 200)}` });
    else if (bodyBytes < this.outputBytes) settle?.({ kind: 'failed', reason: `an answer of ${bodyBytes} bytes` });
    else settle?.({ kind: 'ok' });
  }

  #leave(): void {
    this.#socket?.end();
    this.#socket = undefined;
  }

  #fail(reason: string): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#head = '';
    this.#answer = undefined;
    this.#received = 0;
    this.#settle?.({ kind: 'failed', reason });
    this.#settle = undefined;
  }
}

function parsed(head: string): Answer {
  return {
    status: Number(head.slice(9, 12)),
    bodyBytes: Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0),
    closes: /\r\nconnection: *close/i.test(head),
  };
}

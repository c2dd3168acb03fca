import { basename } from 'node:path';
import type { LinesSource } from '@flotilla/protocol/device';
import type { Captured, Sink } from '../source.js';
import { type FilePiece, growingFile } from './growing-file.js';
import { serialBytes, tcpBytes } from './line-peers.js';
import { LineError, LineReader, numbersOf, type Row } from './line-reader.js';
import { LineSplitter } from './line-splitter.js';
import { PersistentSource, type Session, type SessionEnd, submitUntilTaken } from './persistent.js';
import { SignalChunks } from './signal-chunks.js';

const backoff = { baseMs: 500, capMs: 30_000 };

/** Lines of a file, of a TCP peer or of a serial line. A file can wait, and each of its lines is inferred; what comes from the others does not. */
export class LineStreamSource extends PersistentSource {
  constructor(config: LinesSource) {
    let sessions = 0;
    super((session) => readLines(config, session, sessions++ > 0), backoff);
  }
}

/** `again`: after one that ended in trouble. */
async function readLines(config: LinesSource, { sink, signal, came }: Session, again: boolean): Promise<SessionEnd> {
  const lines = new Lines(config, sink, again);
  for await (const piece of open(config, signal, again)) {
    if ('waiting' in piece) {
      sink.state({ state: 'waiting', reason: piece.waiting });
      continue;
    }
    sink.state({ state: 'running' });
    if ('begins' in piece) lines.begin();
    else {
      if (piece.bytes.byteLength > 0) came();
      for (const captured of lines.push(piece.bytes)) await hand(captured, config, sink, signal);
    }
  }
  return 'over';
}

function open({ lines, columns, format }: LinesSource, signal: AbortSignal, again: boolean): AsyncIterable<FilePiece> {
  if ('tcp' in lines) return pieces(tcpBytes(lines.tcp, signal));
  if ('serial' in lines) return pieces(serialBytes(lines, signal));
  // Nothing is inferred twice because a drive was away for a moment.
  return growingFile({ ...lines, from: again ? 'end' : lines.from, header: format === 'csv' && !columns }, signal);
}

async function* pieces(all: AsyncIterable<Uint8Array>): AsyncGenerator<FilePiece> {
  for await (const bytes of all) yield { bytes };
}

async function hand(captured: Captured, { lines }: LinesSource, sink: Sink, signal: AbortSignal): Promise<void> {
  if ('file' in lines) await submitUntilTaken(sink, captured, signal);
  else sink.offer(captured);
}

/** Bytes to captures. */
class Lines {
  readonly #splitter = new LineSplitter();
  readonly #reader: LineReader;
  readonly #name: string;
  #chunks: SignalChunks | undefined;
  #gap: boolean;
  #count = 0;

  constructor(
    private readonly config: LinesSource,
    private readonly sink: Sink,
    again: boolean,
  ) {
    const { lines } = config;
    this.#reader = new LineReader(config);
    this.#name = 'tcp' in lines ? lines.tcp : basename('file' in lines ? lines.file : lines.serial);
    this.#gap = again;
  }

  begin(): void {
    if (this.#splitter.reset()) this.#lose('its last line has no end');
    this.#reader.begin();
    this.#count = 0;
  }

  *push(bytes: Uint8Array): Generator<Captured> {
    for (const line of this.#splitter.push(bytes)) {
      this.#count += 1;
      if ('tooLong' in line) this.#lose(`it has ${line.tooLong} bytes, more than a line may have`);
      else yield* this.#captures(line.text);
    }
  }

  *#captures(text: string): Generator<Captured> {
    try {
      const row = this.#reader.read(text);
      if (!row) return;
      if (this.config.as === 'features') yield this.#features(row);
      else yield* this.#signal(numbersOf(row), this.config.as.signal);
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      this.#lose(error.message);
    }
  }

  #features(row: Row): Captured {
    const gap = this.#gap || undefined;
    this.#gap = false;
    return {
      payload: { kind: 'features' },
      bytes: Buffer.from(JSON.stringify(row)),
      capturedAt: Date.now(),
      name: this.#name,
      gap,
    };
  }

  #signal(sample: number[], { rate, chunk }: { rate: number; chunk: number }): Generator<Captured> {
    const channels = sample.length;
    if (this.#chunks?.shape.channels !== channels) {
      // The file that was begun may have other columns.
      this.#gap ||= this.#chunks !== undefined;
      this.#chunks = new SignalChunks({ rate, channels, frames: chunk }, this.#name);
    }
    if (this.#gap) this.#chunks.gap();
    this.#gap = false;
    return this.#chunks.push(sample);
  }

  #lose(reason: string): void {
    this.#gap = true;
    this.sink.lost({ name: `${this.#name}:${this.#count}`, reason });
  }
}

import { MultiBar, Presets, type SingleBar } from 'cli-progress';

/** What the story tells: lines, and bars where somebody watches a terminal. */
export interface Progress {
  line(text: string): void;
  /** `done` of `total` with what is happening now; the same `name` updates the same bar. */
  update(name: string, done: number, total: number, text: string): void;
  /** Ends all bars. */
  settle(): void;
}

const started = Date.now();
const clock = () => `${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s`;

export const progressFor = (stream: NodeJS.WriteStream): Progress => (stream.isTTY ? bars(stream) : lines(stream));

/** Plain lines: one whenever something has changed. */
function lines(stream: NodeJS.WriteStream): Progress {
  const last = new Map<string, string>();
  return {
    line: (text) => stream.write(`${clock()}  ${text}\n`),
    update(name, done, total, text) {
      const said = `${name}: ${done}/${total} ${text}`;
      if (last.get(name) !== said) stream.write(`${clock()}    ${said}\n`);
      last.set(name, said);
    },
    settle: () => last.clear(),
  };
}

function bars(stream: NodeJS.WriteStream): Progress {
  let multi: MultiBar | undefined;
  const shown = new Map<string, SingleBar>();
  const settle = () => {
    multi?.stop();
    multi = undefined;
    shown.clear();
  };
  const open = () =>
    (multi ??= new MultiBar(
      {
        stream,
        format: '          {bar} {value}/{total}  {name}: {text}',
        barsize: 24,
        clearOnComplete: false,
        hideCursor: true,
      },
      Presets.shades_classic,
    ));
  return {
    line(text) {
      settle();
      stream.write(`${clock()}  ${text}\n`);
    },
    update(name, done, total, text) {
      const bar = shown.get(name) ?? open().create(total, done, { name, text });
      shown.set(name, bar);
      bar.update(done, { name, text });
    },
    settle,
  };
}

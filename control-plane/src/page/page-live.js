// Server-sent events by fetch: a browser's EventSource can't bear a token.
const reconnectMs = 1000;
/** Three keep-alives that did not come: whatever is between us has forgotten the connection. */
const silentMs = 45_000;

/** Where this tab is in the log; outlives connections, and a tab that nobody looked at. */
let last;

/**
 * Until `signal`: `heard()` once connected, for each event, and now and then in silence; `failed(error)` for each connection that
 * could not be had or broke. What happened between two connections is heard in the second.
 */
export async function follow({ open, heard, failed, signal }) {
  while (!signal.aborted) {
    try {
      await read({ open, heard, signal });
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    if (!signal.aborted) await new Promise((resolve) => void setTimeout(resolve, reconnectMs));
  }
}

async function read({ open, heard, signal }) {
  const silence = new AbortController();
  const reading = AbortSignal.any([signal, silence.signal]);
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new Error('it has said nothing for long')), silentMs);
  };
  try {
    wait();
    const { body } = await open(last === undefined ? {} : { 'last-event-id': last }, reading);
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      wait();
      const frames = (rest + part.value).split('\n\n');
      rest = frames.pop();
      for (const frame of frames) last = /^id: (\d+)$/m.exec(frame)?.[1] ?? last;
      if (frames.length > 0) heard();
    }
  } finally {
    clearTimeout(timer);
  }
}

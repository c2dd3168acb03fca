import type { Command, ReplyEvent } from '@flotilla/protocol/device';

const maxDetail = 8000;

/** Answers an operator's command; the reply goes out as an event. */
export async function answer(
  { command, nonce }: Pick<Command, 'command' | 'nonce'>,
  diagnose: () => Promise<object>,
  recentLog: (maxLength: number) => string,
): Promise<Pick<ReplyEvent, 'nonce' | 'ok' | 'detail'>> {
  switch (command) {
    case 'diagnose':
      return { nonce, ok: true, detail: JSON.stringify(await diagnose()).slice(0, maxDetail) };
    case 'collect-logs':
      return { nonce, ok: true, detail: recentLog(maxDetail) };
    case 'capture-samples':
      return { nonce, ok: false, detail: 'not available in this version' };
  }
}

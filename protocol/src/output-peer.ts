import { z } from 'zod';

export const text = z.string().min(1).max(1024);
/** File that holds a secret; the secret itself stands in no configuration. */
export const secretFile = text;
/** What a URL has before its host would be shown with it, in status and logs. */
const hasNoPassword = (url: string) => !/^[a-z]+:\/\/[^/?#]*@/i.test(url);
export const withoutPassword = [
  hasNoPassword,
  'must hold no name and password: they stand in keys and files of their own',
] as const;
export const brokerUrl = z
  .url({ protocol: /^(mqtts?|wss?)$/, error: 'must be a URL such as mqtt://127.0.0.1:1883' })
  .max(1024)
  .refine(...withoutPassword);
/** One segment of a topic. */
export const segment = z.string().regex(/^[^+#/]{1,128}$/, 'must be 1 to 128 characters without "+", "#" and "/"');
/** A topic to publish on; `{device}` and `{slot}` stand for their names. */
export const topicPattern = z
  .string()
  .regex(
    /^[^$/+#\0][^+#\0]{0,511}$/,
    'must be a topic of up to 512 characters without "+" and "#", such as line3/{device}/{slot}',
  );
export const port = z.int().min(1).max(65_535);
/** Where a server of this device listens: only this device, unless another address is said. */
export const host = z.string().min(1).max(253).default('127.0.0.1');

/** How a broker is reached. */
export const brokerKeys = {
  url: brokerUrl,
  username: text.optional(),
  passwordFile: secretFile.optional(),
  /** Whom to trust, where it isn't the system's authorities. */
  caFile: text.optional(),
  certFile: text.optional(),
  keyFile: secretFile.optional(),
};

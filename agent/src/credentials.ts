import { z } from 'zod';

/** What a slot or gateway that others reach shows them, and takes from them: PEM texts, and the sha256 of each token in hex. */
export const Credentials = z.object({
  certificate: z.string(),
  key: z.string(),
  clientCa: z.string().optional(),
  tokens: z.array(z.string()),
});
export type Credentials = z.infer<typeof Credentials>;

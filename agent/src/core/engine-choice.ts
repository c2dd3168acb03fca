import type { ExecutionProvider } from '@flotilla/protocol/device';

/** `providers`: those of the machine that it is used for; absent where it did not answer, so that it may have any. */
export type OfferedEngine = Readonly<{ name: string; providers?: readonly ExecutionProvider[] | undefined }>;
/** `engine` absent: the one built into the runner. `providers`: what to ask it for, best first. */
type EngineChoice = Readonly<{ engine?: string; providers: readonly ExecutionProvider[] }>;

/** Who computes a variant: the first engine that has the device's best provider among those that the variant lists. */
export function chooseEngine(
  variant: readonly ExecutionProvider[],
  device: readonly ExecutionProvider[],
  engines: readonly OfferedEngine[],
): EngineChoice {
  const usable = device.filter((provider) => variant.includes(provider));
  const [best] = usable;
  const engine = engines.find(({ providers }) => best !== undefined && providers?.includes(best));
  if (engine) return { engine: engine.name, providers: usable.filter((p) => p === 'cpu' || engine.providers!.includes(p)) };
  if (best === 'cpu') return { providers: ['cpu'] };
  // What was committed here ran once: an engine that was silent at the start may be the one that it needs.
  const silent = engines.find(({ providers }) => providers === undefined);
  const providers = best === undefined ? variant : usable;
  return silent ? { engine: silent.name, providers } : { providers };
}

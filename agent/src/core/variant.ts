import { type ExecutionProvider, type Manifest, type Precision, variantName } from '@flotilla/protocol/device';

/** What a device offers to a variant. `fits` and `satisfies` come from the profile and from semver. */
export type Capability = Readonly<{
  agent: string;
  ort: string;
  providers: readonly ExecutionProvider[];
  /** Those that pay on this board, best first; others are tried after them. */
  precisions: readonly Precision[];
  memoryMb: number;
  fits: (profiles: readonly string[] | undefined) => boolean;
  satisfies: (version: string, range: string) => boolean;
}>;
type Variant = Manifest['variants'][number];
type Compatible = { variants: readonly string[] } | { rejected: string };

/** The variants that this device can run, the most promising first, or why there is none. */
export function compatibleVariants(manifest: Pick<Manifest, 'requires' | 'variants'>, device: Capability): Compatible {
  const { agent, memoryMb } = manifest.requires;
  if (agent !== undefined && !device.satisfies(device.agent, agent))
    return { rejected: `the release requires agent ${agent}, this one is ${device.agent}` };
  if (memoryMb !== undefined && memoryMb > device.memoryMb)
    return { rejected: `the release requires ${memoryMb} MB of memory, slots may use ${device.memoryMb} MB here` };
  const judged = manifest.variants.map((variant) => ({ variant, obstacle: obstacleTo(variant, device) }));
  const usable = judged.filter(({ obstacle }) => obstacle === undefined).map(({ variant }) => variant);
  if (usable.length > 0) return { variants: byPreference(usable, device).map(variantName) };
  return {
    rejected: `no variant fits: ${judged.map(({ variant, obstacle }) => `${variantName(variant)} ${obstacle}`).join('; ')}`,
  };
}

function obstacleTo(variant: Variant, device: Capability): string | undefined {
  if (!variant.providers.some((provider) => device.providers.includes(provider)))
    return `needs ${variant.providers.join(' or ')}, this device has ${device.providers.join(', ')}`;
  if (!device.fits(variant.profiles)) return `is for ${variant.profiles?.join(', ')}`;
  if (variant.minOrt !== undefined && !device.satisfies(device.ort, `>=${variant.minOrt}`))
    return `needs ONNX Runtime ${variant.minOrt}, this is ${device.ort}`;
  if (variant.memoryMb !== undefined && variant.memoryMb > device.memoryMb)
    return `needs ${variant.memoryMb} MB of memory, slots may use ${device.memoryMb} MB here`;
  return undefined;
}

/** First by the device's best provider, then by the precision that pays most; the manifest's own order breaks ties. */
function byPreference(variants: readonly Variant[], { providers, precisions }: Capability): Variant[] {
  const provider = (v: Variant) => providers.findIndex((p) => v.providers.includes(p));
  const precision = (v: Variant) => (precisions.includes(v.precision) ? precisions.indexOf(v.precision) : precisions.length);
  return variants.toSorted((a, b) => provider(a) - provider(b) || precision(a) - precision(b));
}

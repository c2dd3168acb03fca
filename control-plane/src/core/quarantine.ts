/** Devices of one hardware class that decided with one variant of a release, and those among them that failed on it. */
export type VariantTally = Readonly<{ variant: string; hardwareClass: string; decided: number; failedArtifact: number }>;

export const leastDevices = 2;
const leastShare = 0.2;

/** One broken board says nothing about its kind; two of ten do: no other device of the class is offered it then. */
export const quarantined = (tallies: readonly VariantTally[]): VariantTally[] =>
  tallies.filter(
    ({ decided, failedArtifact }) => failedArtifact >= leastDevices && failedArtifact / Math.max(decided, 1) >= leastShare,
  );

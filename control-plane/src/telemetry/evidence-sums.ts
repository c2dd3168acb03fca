type Sum = Readonly<{ column: string; ofWindow: (row: string) => string }>;
export type EvidenceSum = 'confirmed' | 'rejected' | 'corrected' | 'throttledMs' | 'throttledOfMs' | 'energyMj' | 'energyOk';
/**
 * What people said and how boards were, as sums over windows: the column of the rollups, and what one row of telemetry_window adds to it.
 * Whole numbers, so that they are the same in whatever order they are added.
 */
export const evidenceSums: Readonly<Record<EvidenceSum, Sum>> = {
  confirmed: { column: 'confirmed', ofWindow: (w) => `coalesce(${w}.confirmed, 0)` },
  rejected: { column: 'rejected', ofWindow: (w) => `coalesce(${w}.rejected, 0)` },
  corrected: { column: 'corrected', ofWindow: (w) => `coalesce(${w}.corrected, 0)` },
  throttledMs: { column: 'throttled_ms', ofWindow: (w) => `coalesce(${w}.throttled_ms, 0)` },
  /** How long it was known whether the board was held back. */
  throttledOfMs: {
    column: 'throttled_of_ms',
    ofWindow: (w) =>
      `CASE WHEN ${w}.throttled_ms IS NULL THEN 0 ELSE round(date_part('epoch', ${w}.ended_at - ${w}.started_at) * 1000) END`,
  },
  energyMj: { column: 'energy_mj', ofWindow: (w) => `coalesce(${w}.energy_mj, 0)` },
  /** Inferences in windows that told their energy. */
  energyOk: { column: 'energy_ok', ofWindow: (w) => `CASE WHEN ${w}.energy_mj IS NULL THEN 0 ELSE ${w}.ok END` },
};
export type EvidenceSums = Readonly<Record<EvidenceSum, number>>;
export const evidenceKeys = Object.keys(evidenceSums) as EvidenceSum[];

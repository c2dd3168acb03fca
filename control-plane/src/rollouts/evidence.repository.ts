import type { RolloutId } from '@flotilla/protocol';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { GateEvidence } from '../core/evidence.js';

export type EvidenceKey = Readonly<{ rollout: string; stage: number; gate: number; stratum: string }>;
export type EvidenceOf = EvidenceKey & Readonly<{ evidence: GateEvidence }>;

/** From so many rows to spare on they are put together: reading them stays cheap, and a quiet rollout is not rewritten twice a second. */
const foldAt = 64;
const bets = 5;
const sums = (column: string) => `ARRAY[${Array.from({ length: bets }, (_, i) => `sum(${column}[${i + 1}])`).join(', ')}]`;
const keys = 'rollout, stage, gate, stratum';
const figures = `sum(devices)::int AS devices, sum(paired)::int AS paired, sum(windows) AS windows, sum(inferences) AS inferences,
                 sum(exceeded) AS exceeded, sum(value) AS value, sum(reference) AS reference, ${sums('breach')} AS breach, ${sums('pass')} AS pass`;
type Row = EvidenceKey &
  Record<'windows' | 'inferences', string> &
  Omit<GateEvidence, 'windows' | 'inferences' | 'over'> & { exceeded: number };

/** Evidence as rows that are only ever added: a transaction of ingest never waits for another's. */
@Injectable()
export class EvidenceRepository {
  async add(tx: EntityManager, added: readonly EvidenceOf[]): Promise<void> {
    if (added.length === 0) return;
    const column = <T>(value: (each: EvidenceOf) => T) => added.map(value);
    const literal = (numbers: readonly number[]) => `{${numbers.join(',')}}`;
    await tx.query(
      `INSERT INTO rollout_evidence (${keys}, devices, paired, windows, inferences, exceeded, value, reference, breach, pass)
       SELECT ${keys}, devices, paired, windows, inferences, exceeded, value, reference, breach::float8[], pass::float8[]
       FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::int[], $6::int[], $7::int8[], $8::int8[], $9::float8[], $10::float8[],
                   $11::float8[], $12::text[], $13::text[])
            e(${keys}, devices, paired, windows, inferences, exceeded, value, reference, breach, pass)`,
      [
        column((e) => e.rollout),
        column((e) => e.stage),
        column((e) => e.gate),
        column((e) => e.stratum),
        column((e) => e.evidence.devices),
        column((e) => e.evidence.paired),
        column((e) => e.evidence.windows),
        column((e) => e.evidence.inferences),
        column((e) => e.evidence.over),
        column((e) => e.evidence.value),
        column((e) => e.evidence.reference),
        column((e) => literal(e.evidence.breach)),
        column((e) => literal(e.evidence.pass)),
      ],
    );
  }

  /** All that is committed. */
  async of(tx: EntityManager, rollout: RolloutId): Promise<EvidenceOf[]> {
    const rows = await tx.query<Row[]>(
      `SELECT ${keys}, ${figures} FROM rollout_evidence WHERE rollout = $1 GROUP BY ${keys} ORDER BY stage, gate, stratum`,
      [rollout],
    );
    return rows.map(({ rollout: id, stage, gate, stratum, exceeded: over, ...rest }) => ({
      rollout: id,
      stage,
      gate,
      stratum,
      evidence: { ...rest, over, windows: Number(rest.windows), inferences: Number(rest.inferences) },
    }));
  }

  /** Under the rollout's lock. Rows that others commit meanwhile are not seen, and stay. */
  async fold(tx: EntityManager, rollout: RolloutId): Promise<void> {
    const [{ n }] = await tx.query<[{ n: string }]>(
      `SELECT count(*) - count(DISTINCT (stage, gate, stratum)) n FROM rollout_evidence WHERE rollout = $1`,
      [rollout],
    );
    if (Number(n) < foldAt) return;
    await tx.query(
      `WITH gone AS (DELETE FROM rollout_evidence WHERE rollout = $1 RETURNING *)
       INSERT INTO rollout_evidence (${keys}, devices, paired, windows, inferences, exceeded, value, reference, breach, pass)
       SELECT ${keys}, ${figures} FROM gone GROUP BY ${keys}`,
      [rollout],
    );
  }
}

import type { SlotName } from '@flotilla/protocol/device';
import type { SlotStatus } from '../../gateway-protocol.js';
import { z } from 'zod';
import { type Prediction, Quality, qualityOf } from '../../prediction.js';

/** `drifting`: the world has moved away from what the release was trained on. */
export const ReadingQuality = z.enum([...Quality.options, 'drifting']);
export type ReadingQuality = z.infer<typeof ReadingQuality>;

/** What a factory system is shown of one slot, in whichever protocol. It is never changed once it is made. */
export type Reading = Readonly<{
  slot: SlotName;
  /** Counts the slot's readings since this gateway began, without gaps; a change of quality is one, too. */
  sequence: number;
  quality: ReadingQuality;
  /** Why it is not good. */
  reason?: string | undefined;
  /** Milliseconds since 1970: when this reading was made. */
  at: number;
  /** The latest one; absent until there is one. Its age is `at` less `capturedAt`. */
  result?: ReadingResult | undefined;
  status: SlotStatus;
}>;
export type ReadingResult = Readonly<{
  prediction: Prediction;
  /** Milliseconds since 1970: when its input was taken, the source time of its values. */
  capturedAt: number;
  /** From capture to result. */
  latencyMs: number;
  headline: Headline;
}>;

/** One answer in few words, for protocols that have a few registers or tags. */
export type Headline = Readonly<{
  /** The decision that holds, else the best class, text or label; empty where nothing was found. */
  label: string;
  /** Place of the class in the model's answer; -1 where it has none. */
  index: number;
  /** 0 to 1 where the release says so; the anomaly score as it is. */
  confidence: number;
  /** How many things were found: boxes, labels, areas; 1 for a single class, 0 for none. */
  count: number;
  /** Measured values with their names, as the release has them. */
  values: readonly Readonly<{ name: string; value: number; unit?: string | undefined }>[];
}>;

const nothing = { label: '', index: -1, confidence: 0, count: 0 };

/** A decision over time wins over what one frame shows: it is what the release means by its answer. */
export function headlineOf(prediction: Prediction): Headline {
  const { decision, values = [] } = prediction;
  const seen = seenIn(prediction);
  if (!decision) return { ...seen, values };
  const { label, score = seen.confidence } = decision;
  const known = [...prediction.top, ...(prediction.boxes ?? []), ...(prediction.labels ?? [])].find((its) => its.label === label);
  return { label, index: known?.index ?? -1, confidence: score, count: seen.count, values };
}

function seenIn({ top, boxes, labels, areas, anomaly, text }: Prediction): Omit<Headline, 'values'> {
  if (anomaly)
    return {
      label: anomaly.found ? 'anomaly' : 'normal',
      index: anomaly.found ? 1 : 0,
      confidence: anomaly.score,
      count: anomaly.found ? 1 : 0,
    };
  if (text) return { label: text.value, index: -1, confidence: text.score, count: text.value === '' ? 0 : 1 };
  const found = boxes ?? labels ?? areas?.map((area) => ({ ...area, score: area.share })) ?? top.slice(0, 1);
  const [first] = found;
  return first ? { label: first.label, index: first.index, confidence: first.score, count: found.length } : nothing;
}

/** The worst of what is known: what serves, how old it is, how the world is, how sure the release is of what it remembers. */
export function grade(
  result: ReadingResult | undefined,
  { status, isStale }: { status: SlotStatus; isStale: boolean },
): { quality: ReadingQuality; reason?: string } {
  if (status.state !== 'serving')
    return {
      quality: 'safe-mode',
      reason:
        status.state === 'empty' ? 'the slot serves no release' : `${status.release ?? 'its release'} crashes again and again`,
    };
  if (!result) return { quality: 'stale', reason: 'there is no result yet' };
  if (isStale) return { quality: 'stale', reason: 'there is no newer result' };
  if (status.drift === 'drifting')
    return { quality: 'drifting', reason: 'inputs have drifted from what the release was trained on' };
  const { uncertain } = result.prediction;
  return { quality: qualityOf(result.prediction), ...(uncertain === undefined ? {} : { reason: uncertain }) };
}

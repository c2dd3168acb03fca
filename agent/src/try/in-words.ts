import type { Prediction } from '../prediction.js';

type Found = Pick<Prediction, 'top' | 'boxes' | 'text' | 'labels' | 'values' | 'areas' | 'anomaly' | 'decision' | 'segment'>;
const percent = (score: number) => `${Math.round(score * 100)} %`;
const seconds = (from: string, to: string) => `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(2)} s`;

/** One line for people: when, what was found, in what, how long it took. Undefined where nothing has changed that a person would note. */
export function lineOf(prediction: Prediction): string | undefined {
  const found = prediction.decision ? changeOf(prediction) : findingsOf(prediction);
  if (found === undefined) return undefined;
  const { capturedAt, at, source, totalMs, computeMs } = prediction;
  const where = source === undefined ? '' : `  ${source}`;
  return `${timeOf(capturedAt ?? at)}  ${found}${where}  (${totalMs.toFixed(1)} ms, ${computeMs.toFixed(1)} ms of it computing)`;
}

/** By the clock on the wall. */
function timeOf(iso: string): string {
  const at = new Date(iso);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

function changeOf({ decision, segment }: Found): string | undefined {
  if (segment?.end !== undefined) return `${segment.label} ended after ${seconds(segment.onset, segment.end)}`;
  if (!decision!.changed) return undefined;
  const { label, score } = decision!;
  return score === undefined ? label : `${label} (${percent(score)})`;
}

function findingsOf({ boxes, text, labels, values, areas, anomaly, top }: Found): string {
  const parts = [
    ...(boxes ? [boxesOf(boxes)] : []),
    ...(text ? [`“${text.value}”`] : []),
    ...(labels ?? []).map(ranked),
    ...(values ?? []).map(
      ({ name, value, unit }) => `${name} ${Number(value.toPrecision(4))}${unit === undefined ? '' : ` ${unit}`}`,
    ),
    ...(areas ?? []).map(({ label, share }) => `${label} ${percent(share)}`),
    ...(anomaly ? [`${anomaly.found ? 'anomaly' : 'normal'} (${anomaly.score.toPrecision(3)})`] : []),
    ...top.slice(0, 1).map(ranked),
  ].filter((part) => part !== '');
  return parts.join(', ') || 'nothing found';
}

const ranked = ({ label, score }: { label: string; score: number }) => `${label} (${percent(score)})`;

/** Those that were read by what they say; the others counted, by their label. */
function boxesOf(boxes: NonNullable<Found['boxes']>): string {
  const read = boxes.flatMap(({ text }) => (text ? [`“${text.value}”`] : []));
  const others = Map.groupBy(
    boxes.filter(({ text }) => !text),
    ({ label }) => label,
  );
  const counted = [...others].map(
    ([label, its]) => `${its.length} × ${label} (${its.map(({ score }) => percent(score)).join(', ')})`,
  );
  return [...read, ...counted].join('  ');
}

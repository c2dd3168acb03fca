import type { TopClass } from '../monitor/window.js';
import type { Findings } from '../../prediction.js';

/** What is found where nothing is: no label of a release can be mistaken for it. */
const none: TopClass = { label: '(none)', score: 0 };
const first = <T extends TopClass>(found: readonly T[]): TopClass => found[0] ?? none;

/** The one class that a window of telemetry counts an answer under; undefined for an answer that has none, as a measured value. */
export function headline({ top, boxes, labels, areas, anomaly, text, decision }: Findings): TopClass | undefined {
  if (top) return top[0];
  if (boxes) return first(boxes);
  if (labels) return first(labels);
  if (anomaly) return { label: anomaly.found ? 'anomaly' : 'normal', score: anomaly.score };
  if (areas?.[0]) return { label: areas[0].label, score: areas[0].share };
  // What was read is different each time: only whether anything was is a class.
  if (text) return { label: text.value === '' ? '(none)' : '(text)', score: text.score };
  return decision?.score === undefined ? undefined : { label: decision.label, score: decision.score };
}

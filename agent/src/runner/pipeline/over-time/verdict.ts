import type { Findings } from '../../../prediction.js';
import { headline } from '../headline.js';

const longest = 128;

/**
 * What one answer says in a word, for the steps that go by it: what the step before decided; else the text that was read; else the label that
 * telemetry counts the answer under (first of `top`, best box, first of `labels`, anomaly or normal, largest area); "(none)" for none.
 */
export function verdictOf(findings: Findings): { label: string; score?: number } {
  const { decision, text } = findings;
  if (decision) return { label: decision.label, ...(decision.score === undefined ? {} : { score: decision.score }) };
  if (text && text.value !== '') return { label: text.value.slice(0, longest), score: text.score };
  const { label, score } = headline(findings) ?? { label: '(none)' };
  return { label: label.slice(0, longest), ...(score === undefined ? {} : { score }) };
}

export const isoOf = (at: number) => new Date(Math.round(at)).toISOString();

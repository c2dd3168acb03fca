export type Labels = Readonly<Record<string, string>>;
/** `suffix`: what a histogram's samples add to its name. */
export type Sample = { suffix?: '_bucket' | '_sum' | '_count'; labels: Labels; value: number };
export type Family = {
  name: string;
  type: 'counter' | 'gauge' | 'histogram' | 'summary';
  help: string;
  samples: readonly Sample[];
};

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Prometheus' text format, version 0.0.4. Written here, because the usual library (prom-client 15.1.3) takes 17 MB and half a second
 * in the runner with what it loads (OpenTelemetry, https, a push client), and its parts are not public on their own.
 */
export function exposition(families: readonly Family[]): string {
  return families.map(familyText).join('');
}

function familyText({ name, type, help, samples }: Family): string {
  const lines = samples.map(({ suffix = '', labels, value }) => `${name}${suffix}${labelText(labels)} ${numberText(value)}\n`);
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeValue = (text: string) => escapeHelp(text).replaceAll('"', '\\"');

/** The format is Go's: it spells infinity its own way. */
const numberText = (value: number) =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';

/** A family of one sample. */
export const single = (type: 'counter' | 'gauge', name: string, help: string, value: number, labels: Labels = {}): Family => ({
  name,
  type,
  help,
  samples: [{ labels, value }],
});

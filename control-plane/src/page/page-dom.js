// What the page is made of. Text only ever enters it as text nodes.

/** element('td', { class: 'faint' }, 'text', otherNode, ['more', 'text']) */
export function element(name, attributes = {}, ...content) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...content.flat(Infinity).filter((part) => part !== undefined && part !== null && part !== ''));
  return node;
}

const tones = {
  good: ['completed', 'committed', 'passed', 'pass', 'online', 'active'],
  busy: [
    'running',
    'activating',
    'soaking',
    'analysing',
    'offered',
    'resolved',
    'downloading',
    'verified',
    'compiling',
    'preflight',
    'staged',
    'shadowing',
    'probation',
    'open',
  ],
  warn: [
    'paused',
    'inconclusive',
    'insufficient',
    'waiting',
    'committed-unproven',
    'superseded',
    'cancelled',
    'scheduled',
    'awaiting-approval',
    'rolling-back',
    'not-applicable',
    'maintenance',
    'pending',
  ],
  bad: ['failed', 'breach', 'killed', 'rolled-back', 'rollback-incomplete', 'rejected', 'revoked', 'offline'],
};
const toneOf = (word) => Object.keys(tones).find((tone) => tones[tone].includes(word)) ?? '';
export const badge = (word) => element('span', { class: `badge ${toneOf(word)}` }, word);
export const time = (iso) => element('time', { datetime: iso, title: iso }, new Date(iso).toLocaleString());
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
export const faint = (...content) => element('p', { class: 'faint' }, ...content);

export function table(headings, rows, empty) {
  if (rows.length === 0) return element('div', { class: 'scroll' }, element('p', { class: 'empty' }, empty));
  const head = element(
    'thead',
    {},
    element(
      'tr',
      {},
      headings.map((heading) => element('th', { scope: 'col' }, heading)),
    ),
  );
  return element('div', { class: 'scroll' }, element('table', {}, head, element('tbody', {}, rows)));
}
export const row = (cells, attributes = {}) =>
  element(
    'tr',
    attributes,
    cells.map((cell) => element('td', {}, cell)),
  );

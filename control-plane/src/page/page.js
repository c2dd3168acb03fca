// The status page: asks the operator API every two seconds and writes tables. Text only ever enters the page as text nodes.
const everyMs = 2000;
const at = (id) => document.getElementById(id);

const keptToken = {
  read: () => sessionStorage.getItem('flotilla-token'),
  keep: (token) => sessionStorage.setItem('flotilla-token', token),
  forget: () => sessionStorage.removeItem('flotilla-token'),
};

class Unauthorized extends Error {}

async function ask(path) {
  const response = await fetch(`/api/v1/${path}`, {
    headers: { authorization: `Bearer ${keptToken.read()}` },
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status === 401) throw new Unauthorized();
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? `${path}: ${response.status}`);
  return body;
}

/** element('td', { class: 'faint' }, 'text', otherNode, ['more', 'text']) */
function element(name, attributes = {}, ...content) {
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
const badge = (word) => element('span', { class: `badge ${toneOf(word)}` }, word);
const time = (iso) => element('time', { datetime: iso, title: iso }, new Date(iso).toLocaleString());
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const faint = (...content) => element('p', { class: 'faint' }, ...content);

function table(headings, rows, empty) {
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
const row = (cells, attributes = {}) =>
  element(
    'tr',
    attributes,
    cells.map((cell) => element('td', {}, cell)),
  );

const countNames = {
  already: 'on it already',
  waiting: 'waiting',
  open: 'under way',
  committed: 'committed',
  unproven: 'unproven',
  failedArtifact: 'failed by the release',
  failedPlace: 'failed by the place',
  timedOut: 'timed out',
  rejected: 'rejected',
  deferred: 'deferred',
  rolledBack: 'rolled back',
};
function countsInWords(counts) {
  const words = Object.entries(countNames).flatMap(([key, name]) => (counts[key] > 0 ? [`${counts[key]} ${name}`] : []));
  return words.length > 0 ? words.join(', ') : 'nothing yet';
}

const gate = (verdict) =>
  element('li', {}, badge(verdict.verdict), ` ${verdict.metric}${verdict.dryRun ? ' (dry run)' : ''}: ${verdict.evidence}`);

function rolloutRows(rollout) {
  const name = [element('strong', {}, rollout.name), faint(`${rollout.release} in slot ${rollout.slot}`)];
  const phase = [badge(rollout.phase), rollout.reason && faint(rollout.reason)];
  const stages = rollout.stages.map((stage) =>
    row(
      [
        stage.name,
        badge(stage.phase),
        [
          element('p', {}, countsInWords(stage.counts)),
          stage.gates.length > 0 && stage.phase !== 'pending' ? element('ul', {}, stage.gates.map(gate)) : '',
        ],
        '',
      ],
      { class: 'stage' },
    ),
  );
  return [row([name, phase, rollout.detail ?? '', time(rollout.updatedAt)]), ...stages];
}

function slotLine({ slot, assignment, reported }) {
  const running = reported?.release ?? reported?.digest?.slice(0, 12) ?? 'nothing';
  const wanted = assignment && assignment.digest !== reported?.digest ? `, should run ${assignment.release}` : '';
  const why = [reported?.failure, reported?.reason].filter(Boolean).join(': ');
  return element('p', {}, `${slot}: ${running}${wanted} `, reported ? badge(reported.state) : '', why && faint(why));
}

/** Silence in maintenance is no alarm. */
const deviceState = ({ status, online, maintenance }) => {
  if (status !== 'active') return [badge(status), status === 'pending' ? faint('waits for flotilla devices approve') : ''];
  if (!maintenance) return badge(online ? 'online' : 'offline');
  const until = maintenance.until ? [', until ', time(maintenance.until)] : '';
  return [badge('maintenance'), faint(online ? 'online: ' : 'offline: ', maintenance.reason, until)];
};

const deviceRow = (device) =>
  row([
    [element('strong', {}, device.id), device.notes.map((note) => faint(note))],
    deviceState(device),
    device.slots.length > 0 ? device.slots.map(slotLine) : 'no slot',
    Object.entries(device.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(', '),
    [device.profile, faint(device.hardwareClass), device.agent && faint(`agent ${device.agent}`)],
    device.lastSeen ? time(device.lastSeen) : 'never',
  ]);

const releaseRow = (release) =>
  row([
    [element('strong', {}, release.name), release.summary && faint(release.summary)],
    release.variants.map(({ file, precision, providers, size }) =>
      element('p', {}, `${file}: ${precision}, ${providers.join(', ')}, ${megabytes(size)}`),
    ),
    megabytes(release.sizeBytes),
    element('code', { title: release.digest }, release.digest.slice(0, 12)),
    time(release.pushedAt),
  ]);

const blockRow = (block) =>
  row([
    [
      element('strong', {}, block.version === undefined ? `${block.model}, all versions` : `${block.model}@${block.version}`),
      faint(block.group === undefined ? 'on every device' : `on group ${block.group}`),
    ],
    block.reason,
    block.actor,
    time(block.at),
  ]);

const eventRow = (event) => row([time(event.at), event.kind, event.actor, event.message]);

const sections = [
  {
    id: 'blocks',
    path: 'blocks?limit=50',
    draw: (items) => {
      at('blocks-section').hidden = items.length === 0;
      return table(['Killed', 'Because', 'By', 'Since'], items.map(blockRow), 'No release is blocked.');
    },
  },
  {
    id: 'rollouts',
    path: 'rollouts?limit=20',
    draw: (items) =>
      table(
        ['Rollout and stages', 'Phase', 'Evidence', 'Changed'],
        items.flatMap(rolloutRows),
        'No rollout yet: flotilla rollouts create FILE',
      ),
  },
  {
    id: 'devices',
    path: 'devices?limit=200',
    draw: (items) =>
      table(
        ['Device', 'Link', 'Slots', 'Labels', 'Board', 'Last seen'],
        items.map(deviceRow),
        'No device yet: flotilla tokens create',
      ),
  },
  {
    id: 'releases',
    path: 'releases?limit=50',
    draw: (items) =>
      table(
        ['Release', 'Variants', 'Size', 'Digest', 'Pushed'],
        items.map(releaseRow),
        'No release yet: flotilla releases push FOLDER',
      ),
  },
  {
    id: 'events',
    path: 'events?limit=50',
    draw: (items) => table(['When', 'Kind', 'By', 'What'], items.map(eventRow), 'Nothing has happened yet.'),
  },
];

const drawn = new Map();

/** Redrawn only where something changed: a selection, a scrolled table stay as they are. */
function draw({ id, draw: make }, { items, next }) {
  const text = JSON.stringify([items, next]);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  at(id).replaceChildren(make(items), next ? faint(`The newest ${items.length}; more by flotilla ${id} list.`) : '');
}

const attention = ({ pending, maintenance }) =>
  [
    [pending, 'to be approved'],
    [maintenance, 'in maintenance'],
  ]
    .flatMap(([count, what]) => (count > 0 ? [`${count} ${what} · `] : []))
    .join('');

const drawSummary = (status) => {
  const { devices, releases, rollouts, broker, leader, version, database } = status;
  at('summary').textContent =
    `${devices.online} of ${devices.total} devices online · ${attention(devices)}${releases} releases · ${rollouts.running} rollouts running, ` +
    `${rollouts.paused} paused · broker ${broker.kind}, ${broker.connected ? 'connected' : 'not connected'} · database ${database} · ` +
    `${leader ? 'leading' : 'not leading'} · version ${version}`;
};

function showProblem(message) {
  at('problem').hidden = message === '';
  at('problem').textContent = message;
  document.body.classList.toggle('stale', message !== '');
}

function showSignIn(message) {
  at('sign-in').hidden = false;
  at('fleet').hidden = true;
  at('summary').textContent = '';
  showProblem(message);
}

async function refresh() {
  const [status, ...lists] = await Promise.all([ask('status'), ...sections.map(({ path }) => ask(path))]);
  drawSummary(status);
  sections.forEach((section, i) => draw(section, lists[i]));
  at('sign-in').hidden = true;
  at('fleet').hidden = false;
  showProblem('');
}

let timer;
async function loop() {
  clearTimeout(timer);
  if (keptToken.read() === null) return showSignIn('');
  try {
    if (!document.hidden) await refresh();
  } catch (error) {
    if (error instanceof Unauthorized) {
      keptToken.forget();
      return showSignIn('That token was not accepted.');
    }
    showProblem(`The control plane does not answer (${error.message}); what is shown is old. Trying again …`);
  }
  timer = setTimeout(() => void loop(), everyMs);
}

// `/#token=…`: a link that somebody printed; the token leaves the address bar at once.
const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (given) {
  keptToken.keep(given);
  history.replaceState(null, '', '/');
}
at('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  keptToken.keep(at('token').value.trim());
  at('token').value = '';
  void loop();
});
document.addEventListener('visibilitychange', () => !document.hidden && void loop());
void loop();

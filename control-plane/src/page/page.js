// The status page: asks the operator API when an event says that something has changed, and writes tables.
import { badge, element, faint, megabytes, row, table, time } from './page-dom.js';
import { follow } from './page-live.js';
import { isMoving, rolloutRows } from './page-rollouts.js';

/** A burst of events is one look. */
const gatherMs = 250;
/** While a rollout moves: its counts and evidence grow without an event. */
const moveMs = 2000;
const at = (id) => document.getElementById(id);

const keptToken = {
  read: () => sessionStorage.getItem('flotilla-token'),
  keep: (token) => sessionStorage.setItem('flotilla-token', token),
  forget: () => sessionStorage.removeItem('flotilla-token'),
};

class Unauthorized extends Error {}

async function open(path, { headers = {}, signal }) {
  const response = await fetch(`/api/v1/${path}`, {
    headers: { authorization: `Bearer ${keptToken.read()}`, ...headers },
    signal,
  });
  if (response.status === 401) throw new Unauthorized();
  if (response.ok) return response;
  throw new Error((await response.json().catch(() => ({}))).detail ?? `${path}: ${response.status}`);
}
const ask = async (path) => (await open(path, { signal: AbortSignal.timeout(10_000) })).json();

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
    `${devices.online} of ${devices.total} devices online · ${attention(devices)}${releases} ${releases === 1 ? 'release' : 'releases'} · ${rollouts.running} ${rollouts.running === 1 ? 'rollout' : 'rollouts'} running, ` +
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
  const rollouts = lists[sections.findIndex(({ id }) => id === 'rollouts')];
  if (rollouts.items.some(isMoving)) look(moveMs);
}

let timer;
let due = Infinity;
/** Looks within that time, once for all who asked. */
function look(withinMs) {
  const wanted = performance.now() + withinMs;
  if (wanted >= due) return;
  clearTimeout(timer);
  due = wanted;
  timer = setTimeout(() => {
    due = Infinity;
    refresh().catch(failed);
  }, withinMs);
}

let stop;
/** From now on, or from where it was: what happens is looked at as it happens. */
function begin() {
  stop?.abort();
  if (keptToken.read() === null) return showSignIn('');
  if (document.hidden) return;
  stop = new AbortController();
  const { signal } = stop;
  void follow({
    open: (headers, reading) => open('events/stream', { headers, signal: reading }),
    heard: () => look(gatherMs),
    failed,
    signal,
  });
}

function failed(error) {
  if (!(error instanceof Unauthorized))
    return showProblem(`The control plane does not answer (${error.message}); what is shown is old. Trying again …`);
  stop?.abort();
  clearTimeout(timer);
  due = Infinity;
  keptToken.forget();
  showSignIn('That token was not accepted.');
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
  begin();
});
document.addEventListener('visibilitychange', () => (document.hidden ? stop?.abort() : begin()));
begin();

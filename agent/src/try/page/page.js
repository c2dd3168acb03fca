import { drawCurve, drawPicture } from './drawing.js';

const byId = (id) => document.getElementById(id);
const json = async (path) => (await fetch(path)).json();
const keptResults = 1000;
const listed = 12;
/** Results of which the picture may still be on its way. */
const results = [];
let isDrawing = false;
let isDue = false;

const about = await json('/about');
document.title = `${about.name} · Flotilla`;
byId('name').textContent = about.name;
byId('summary').textContent = about.summary;
byId('about').textContent = `${about.release} on ${about.input}`;
byId(about.kind).hidden = false;
for (const result of await json('/recent')) take(result);

const stream = new EventSource('/results');
stream.addEventListener('prediction', ({ data }) => take(JSON.parse(data)));
stream.addEventListener('open', () => problem(''));
stream.addEventListener('error', () => problem('The example has ended, or cannot be reached.'));

function problem(words) {
  byId('problem').textContent = words;
  byId('problem').hidden = words === '';
}

function take(result) {
  results.push(result);
  if (results.length > keptResults) results.shift();
  const words = wordsOf(result);
  if (words === undefined) byId('now').textContent = result.decision?.label ?? '';
  else {
    byId('now').textContent = words;
    list(result, words);
  }
  void drawSoon();
}

/** Undefined where nothing has changed that is worth a line. */
function wordsOf({ decision, segment, boxes, text, top = [], labels = [], anomaly }) {
  if (segment?.end) return `${segment.label}: ${((Date.parse(segment.end) - Date.parse(segment.onset)) / 1000).toFixed(2)} s`;
  if (decision) return decision.changed ? decision.label : undefined;
  if (boxes) {
    const read = boxes.filter((box) => box.text).map((box) => box.text.value);
    if (read.length > 0) return read.join(' · ');
    return boxes.length > 0 ? `${boxes.length} × ${boxes[0].label}` : 'nothing found';
  }
  if (text) return text.value;
  if (anomaly) return anomaly.found ? 'anomaly' : 'normal';
  return (
    [...labels, ...top.slice(0, 1)].map(({ label, score }) => `${label} ${Math.round(100 * score)} %`).join(', ') ||
    'nothing found'
  );
}

function list(result, words) {
  const item = document.createElement('li');
  const cells = [
    [new Date(result.capturedAt ?? result.at).toLocaleTimeString(), 'faint'],
    [words, ''],
    [`${result.source ?? ''} ${result.totalMs.toFixed(1)} ms${result.quality === 'good' ? '' : ` (${result.quality})`}`, 'faint'],
  ];
  for (const [content, kind] of cells) {
    const cell = document.createElement('span');
    cell.className = kind;
    cell.textContent = content;
    item.append(cell);
  }
  const list = byId('results');
  list.prepend(item);
  while (list.children.length > listed) list.lastChild.remove();
}

/** One drawing at a time: of what came meanwhile, the newest. */
async function drawSoon() {
  isDue = true;
  if (isDrawing) return;
  isDrawing = true;
  while (isDue) {
    isDue = false;
    await (about.kind === 'pictures' ? redrawPicture() : redrawCurve());
    await new Promise((resolve) => requestAnimationFrame(resolve));
  }
  isDrawing = false;
}

/** The picture says which result it belongs to. */
async function redrawPicture() {
  const response = await fetch('/picture');
  if (!response.ok) return;
  const sequence = Number(response.headers.get('flotilla-sequence'));
  const picture = await createImageBitmap(await response.blob(), { imageOrientation: 'from-image' });
  const result = results.findLast(({ seq }) => seq === sequence);
  if (!result) isDue = true;
  else drawPicture(byId('picture'), picture, result);
  picture.close();
}

function redrawCurve() {
  drawCurve(byId('curve'), results, getComputedStyle(document.body).color);
}

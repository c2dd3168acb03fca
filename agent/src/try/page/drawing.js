// What was found, drawn over the picture or over time. Nothing here knows a particular model.

const colours = ['#f5a623', '#29b6f6', '#9ccc65', '#ef5350', '#ba68c8', '#ffee58'];
const colourOf = (index) => colours[index % colours.length];

/** The picture with the boxes and quads of its result, and what was read in them. */
export function drawPicture(canvas, picture, result) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const brush = canvas.getContext('2d');
  brush.drawImage(picture, 0, 0);
  const unit = Math.max(1, Math.max(picture.width, picture.height) / 480);
  brush.lineWidth = 2 * unit;
  brush.font = `600 ${Math.round(13 * unit)}px system-ui, sans-serif`;
  for (const found of result?.boxes ?? []) drawFound(brush, found, unit);
}

function drawFound(brush, { box, quad, text, label, score, index }, unit) {
  const corners = quad ?? [
    [box.left, box.top],
    [box.left + box.width, box.top],
    [box.left + box.width, box.top + box.height],
    [box.left, box.top + box.height],
  ];
  brush.strokeStyle = brush.fillStyle = colourOf(index);
  brush.beginPath();
  corners.forEach(([x, y]) => brush.lineTo(x, y));
  brush.closePath();
  brush.stroke();
  drawTag(brush, text ? text.value : `${label} ${Math.round(100 * score)} %`, box, unit, text !== undefined);
}

/** Right of what was read, so that it can be compared; else above the box, or in it where there is no room above. */
function drawTag(brush, words, { left, top, width: boxWidth, height: boxHeight }, unit, isRead) {
  const height = 18 * unit;
  const width = brush.measureText(words).width + 8 * unit;
  const beside = left + boxWidth + 6 * unit;
  const isBeside = isRead && beside + width <= brush.canvas.width;
  const x = isBeside ? beside : Math.max(0, Math.min(left, brush.canvas.width - width));
  const above = top >= height ? top - height : top;
  const y = isBeside ? top + (boxHeight - height) / 2 : above;
  brush.fillRect(x, y, width, height);
  brush.fillStyle = '#101418';
  brush.textBaseline = 'middle';
  brush.fillText(words, x + 4 * unit, y + height / 2);
}

const spanMs = 20_000;
const timeOf = (result) => Date.parse(result.capturedAt ?? result.at);

/** Scores of the last seconds as a curve; the segments coloured below it, from their onset on. */
export function drawCurve(canvas, results, ink) {
  const { width, height } = canvas;
  const brush = canvas.getContext('2d');
  brush.clearRect(0, 0, width, height);
  drawScale(brush, ink);
  const last = results.at(-1);
  if (!last) return;
  const end = timeOf(last);
  const xAt = (time) => Math.round(width - ((end - time) / spanMs) * width);
  const yOf = (score) => height - 12 - score * (height - 24);
  const shown = results.filter((result) => end - timeOf(result) < spanMs && result.decision?.score !== undefined);
  brush.fillStyle = 'rgb(41 182 246 / 35%)';
  for (const [onset, until] of segmentsIn(shown)) brush.fillRect(xAt(onset), 0, xAt(until) - xAt(onset), height);
  brush.strokeStyle = ink;
  brush.lineWidth = 2;
  brush.beginPath();
  for (const result of shown) brush.lineTo(xAt(timeOf(result)), yOf(result.decision.score));
  brush.stroke();
}

/** Onset → end, or how far it has come. */
function segmentsIn(results) {
  const segments = new Map();
  for (const result of results)
    if (result.segment)
      segments.set(Date.parse(result.segment.onset), result.segment.end ? Date.parse(result.segment.end) : timeOf(result));
  return segments;
}

function drawScale(brush, ink) {
  const { width, height } = brush.canvas;
  brush.strokeStyle = 'rgb(128 128 128 / 40%)';
  brush.fillStyle = ink;
  brush.lineWidth = 1;
  brush.font = '12px system-ui, sans-serif';
  for (const score of [0, 0.5, 1]) {
    const y = height - 12 - score * (height - 24);
    brush.beginPath();
    brush.moveTo(0, y);
    brush.lineTo(width, y);
    brush.stroke();
    brush.fillText(String(score), 4, y - 3);
  }
}

// The map: points, contours and ellipses on one canvas, the chosen crop on another above it.

const mapCanvas = byId("map");
const overlay = byId("overlay");
const view = { x: (X0 + X1) / 2, y: (Y0 + Y1) / 2, zoom: 1 };
const RAMP = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const POINTS = { normal: [1.7, 0.4], aberration: [2.2, 0.8], candidate: [2.5, 0.85] }; // radius in px, opacity
const LAYERS = ["normal", "candidate", "aberration"]; // the few lie on top of the many
const LINES = { 0.5: 1.6, 0.75: 1.2, 0.95: 0.8 };
const RING_PX = 1.1;
const HIT_PX = 12;
const MAX_ZOOM = 40;
let colours = {};
let sprites = new Map();
let size = { width: 1, height: 1, ratio: 1 };

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["normal", "aberration", "kept", "rejected", "ellipse", "plane", "ink", "quiet"];
  colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  colours.ramp = dark ? RAMP.slice(3) : RAMP.slice(0, 8);
  sprites = new Map();
}

const colourOf = (one, kept) => (one.kind === "candidate" ? colours[kept ? "kept" : "rejected"] : colours[one.kind]);

function toneOf(one, row, kept) {
  if (!state.byLevel || one.kind === "normal") return colourOf(one, kept);
  const step = Math.floor(one.needed[row] * colours.ramp.length);
  return colours.ramp[Math.min(step, colours.ramp.length - 1)];
}

function scaleOf() {
  const whole = Math.min(size.width / (X1 - X0), size.height / (Y1 - Y0));
  return whole * view.zoom;
}
const screenX = (x) => size.width / 2 + (x - view.x) * scaleOf();
const screenY = (y) => size.height / 2 - (y - view.y) * scaleOf();

// Thousands of small pictures are copied faster than as many circles are drawn.
function spriteOf(colour, filled, radius) {
  const key = `${colour} ${filled} ${radius}`;
  if (!sprites.has(key)) {
    const side = Math.ceil((radius + RING_PX) * 2 + 1);
    const sprite = document.createElement("canvas");
    sprite.width = sprite.height = side * size.ratio;
    const pen = sprite.getContext("2d");
    pen.scale(size.ratio, size.ratio);
    pen.beginPath();
    pen.arc(side / 2, side / 2, filled ? radius : radius - RING_PX / 2, 0, 2 * Math.PI);
    if (filled) {
      pen.fillStyle = colour;
      pen.fill();
    } else {
      pen.strokeStyle = colour;
      pen.lineWidth = RING_PX;
      pen.stroke();
    }
    sprites.set(key, { sprite, side });
  }
  return sprites.get(key);
}

function drawPoints(pen, one, wanted) {
  const [base, opacity] = POINTS[one.kind];
  const radius = Math.min(Math.round(base * view.zoom ** 0.35 * 10) / 10, 7);
  pen.globalAlpha = opacity;
  let [tone, drawn] = [null, null];
  for (let place = 0; place < one.drawn.length; place += 1) {
    const row = one.drawn[place];
    const kept = keeps(one, row);
    if (kept !== wanted) continue;
    const x = screenX(one.place.x[place]);
    const y = screenY(one.place.y[place]);
    if (x < -9 || y < -9 || x > size.width + 9 || y > size.height + 9) continue;
    if (toneOf(one, row, kept) !== tone) {
      tone = toneOf(one, row, kept);
      const filled = kept || one.kind === "normal"; // thousands of small rings would be a blur
      drawn = spriteOf(tone, filled, radius);
    }
    pen.drawImage(drawn.sprite, x - drawn.side / 2, y - drawn.side / 2, drawn.side, drawn.side);
  }
  pen.globalAlpha = 1;
}

function drawLine(pen, line) {
  pen.beginPath();
  for (let i = 0; i < line.x.length; i += 1) pen.lineTo(screenX(line.x[i]), screenY(line.y[i]));
  pen.stroke();
}

function drawContours(pen, one) {
  for (const { share, line } of one.contours) {
    pen.strokeStyle = colours.plane; // a rim, so that a line is seen over its own points
    pen.lineWidth = LINES[share] + 2;
    pen.globalAlpha = 0.7;
    drawLine(pen, line);
    pen.strokeStyle = colourOf(one, true);
    pen.lineWidth = LINES[share];
    pen.globalAlpha = 1;
    drawLine(pen, line);
  }
}

// The points of a component with Mahalanobis² = -2 ln(1 - level).
function ellipseOf(component, level) {
  const radius = Math.sqrt(-2 * Math.log1p(-level));
  const [a, b, c] = component.factor; // lower triangle: a, b c
  const angles = Array.from({ length: 181 }, (_, i) => (i * Math.PI) / 90);
  return {
    x: angles.map((t) => component.mean[0] + radius * a * Math.cos(t)),
    y: angles.map((t) => component.mean[1] + radius * (b * Math.cos(t) + c * Math.sin(t))),
  };
}

function drawEllipses(pen) {
  if (!(state.level > 0 && state.level < 1)) return;
  given.components.forEach((component, index) => {
    const rules = index === given.dominant;
    const line = ellipseOf(component, state.level);
    pen.setLineDash(rules ? [] : [5, 5]);
    pen.strokeStyle = colours.plane;
    pen.lineWidth = rules ? 5 : 2.5;
    drawLine(pen, line);
    pen.strokeStyle = colours.ellipse;
    pen.lineWidth = rules ? 2.4 : 1;
    drawLine(pen, line);
    pen.setLineDash([]);
  });
}

function drawMap() {
  const pen = mapCanvas.getContext("2d");
  pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  pen.fillStyle = colours.plane;
  pen.fillRect(0, 0, size.width, size.height);
  const shown = series.filter((one) => one.shown);
  for (const kind of LAYERS) {
    const layer = shown.filter((one) => one.kind === kind);
    for (const wanted of [false, true]) layer.forEach((one) => drawPoints(pen, one, wanted));
  }
  pen.lineJoin = "round";
  if (state.contours) shown.forEach((one) => drawContours(pen, one));
  drawEllipses(pen);
  drawChosen();
}

function drawChosen() {
  const pen = overlay.getContext("2d");
  pen.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  pen.clearRect(0, 0, size.width, size.height);
  const place = state.chosen && state.chosen.one.placeOf.get(state.chosen.row);
  if (place === undefined || place === null) return;
  const { one, row } = state.chosen;
  const x = screenX(one.place.x[place]);
  const y = screenY(one.place.y[place]);
  for (const [width, colour] of [[6, colours.plane], [2.5, colours.ink]]) {
    pen.beginPath();
    pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  }
  pen.beginPath();
  pen.arc(x, y, 4, 0, 2 * Math.PI);
  pen.fillStyle = toneOf(one, row, keeps(one, row));
  pen.fill();
}

function nearest(x, y) {
  let best = null;
  let least = HIT_PX ** 2;
  for (const one of series) {
    if (!one.shown) continue;
    for (let place = 0; place < one.drawn.length; place += 1) {
      const distance = (screenX(one.place.x[place]) - x) ** 2 + (screenY(one.place.y[place]) - y) ** 2;
      if (distance <= least) {
        least = distance;
        best = { one, row: one.drawn[place] };
      }
    }
  }
  return best;
}

function zoomBy(factor, x = size.width / 2, y = size.height / 2) {
  const before = { x: view.x + (x - size.width / 2) / scaleOf(), y: view.y - (y - size.height / 2) / scaleOf() };
  view.zoom = Math.min(Math.max(view.zoom * factor, 1), MAX_ZOOM);
  view.x = before.x - (x - size.width / 2) / scaleOf();
  view.y = before.y + (y - size.height / 2) / scaleOf();
  if (view.zoom === 1) Object.assign(view, { x: (X0 + X1) / 2, y: (Y0 + Y1) / 2 });
  drawMap();
}

function resized() {
  const box = overlay.getBoundingClientRect();
  size = { width: box.width, height: box.height, ratio: window.devicePixelRatio || 1 };
  for (const canvas of [mapCanvas, overlay]) {
    canvas.width = Math.round(size.width * size.ratio);
    canvas.height = Math.round(size.height * size.ratio);
  }
  sprites = new Map();
  drawMap();
}

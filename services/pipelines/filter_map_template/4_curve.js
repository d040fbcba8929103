// The share of each series that is kept at every level, with a line where the level stands.

const CURVE = { width: 640, height: 210, left: 44, right: 10, top: 10, bottom: 34 };
const CURVE_STEPS = 200;
const curveX = (level) => CURVE.left + level * (CURVE.width - CURVE.left - CURVE.right);
const curveY = (share) => CURVE.height - CURVE.bottom - share * (CURVE.height - CURVE.top - CURVE.bottom);

function shape(tag, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

function sharesOf(one) {
  const counts = new Float64Array(CURVE_STEPS + 1);
  for (let row = 0; row < one.count; row += 1) {
    if (passesGate(one, row, state.gate)) counts[Math.ceil(one.needed[row] * CURVE_STEPS)] += 1;
  }
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return one.count ? sum / one.count : 0;
  });
}

function drawAxes(svg) {
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const y = curveY(part);
    svg.append(shape("line", { class: "grid", x1: curveX(0), x2: curveX(1), y1: y, y2: y }));
    svg.append(shape("text", { x: CURVE.left - 6, y: y + 4, "text-anchor": "end" }, `${100 * part} %`));
    svg.append(shape("text", { x: curveX(part), y: CURVE.height - 18, "text-anchor": "middle" }, String(part)));
  }
  svg.append(shape("text", { x: curveX(0.5), y: CURVE.height - 3, "text-anchor": "middle" }, "level"));
}

let curveFor = null;
function drawCurve() {
  const svg = byId("curve");
  const now = `${state.gate} ${series.map((one) => one.shown)}`;
  if (now !== curveFor) {
    curveFor = now;
    svg.replaceChildren();
    drawAxes(svg);
    for (const one of series.filter((each) => each.shown)) {
      const shares = Array.from(sharesOf(one), (share, i) => `${curveX(i / CURVE_STEPS)},${curveY(share)}`);
      const tone = one.kind === "candidate" ? "kept" : one.kind;
      svg.append(shape("polyline", { class: "share", points: shares.join(" "), style: `stroke: var(--${tone})` }));
    }
    svg.append(shape("line", { id: "curve-level", y1: curveY(0), y2: curveY(1) }));
  }
  byId("curve-level").setAttribute("x1", curveX(state.level));
  byId("curve-level").setAttribute("x2", curveX(state.level));
}

function levelAt(event) {
  const box = byId("curve").getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * CURVE.width;
  const level = (x - CURVE.left) / (CURVE.width - CURVE.left - CURVE.right);
  return Number(Math.min(Math.max(level, 0), 1).toFixed(3));
}

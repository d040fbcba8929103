// Sliders, fields, keys, pointers and the address: whatever moves the page.

let waiting = false;
function refresh() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawMap();
    drawCurve();
    fillTable();
    fillTiles();
    fillDetail();
  });
}

function showControls(except = null) {
  const put = (id, value) => {
    if (byId(id) !== except) byId(id).value = value;
  };
  put("level", rounded(state.level));
  put("level-slider", state.level);
  byId("level-reset").disabled = state.level === given.level && state.gate === given.max_percentile;
  byId("gate-on").checked = state.gate !== null;
  byId("gate-controls").hidden = state.gate === null;
  byId("gate-controls").style.display = state.gate === null ? "none" : "";
  if (state.gate !== null) {
    put("gate", rounded(state.gate));
    put("gate-slider", state.gate);
  }
}

function toAddress() {
  const parts = [];
  if (state.level !== given.level) parts.push(`level=${state.level}`);
  if (state.gate !== given.max_percentile) parts.push(`max_percentile=${state.gate === null ? "off" : state.gate}`);
  try {
    history.replaceState(null, "", `#${parts.join("&")}`);
  } catch {
    // A page in a sandbox has no history; the sliders work all the same.
  }
}

function within(text, low, high) {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : null;
}

function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const level = within(asked.get("level"), 0, 1);
  const gate = within(asked.get("max_percentile"), 0, 100);
  state.level = level === null ? given.level : level;
  state.gate = asked.get("max_percentile") === "off" ? null : gate === null ? given.max_percentile : gate;
  showControls();
  refresh();
}

function move(change, source = null) {
  Object.assign(state, change);
  showControls(source);
  toAddress();
  refresh();
}

function field(id, low, high, name) {
  const box = byId(id);
  box.addEventListener("input", () => {
    const value = within(box.value, low, high);
    box.setAttribute("aria-invalid", String(value === null));
    if (value !== null) move({ [name]: value }, box);
  });
  box.addEventListener("change", () => showControls());
}

function listen() {
  field("level", 0, 1, "level");
  field("level-slider", 0, 1, "level");
  field("gate", 0, 100, "gate");
  field("gate-slider", 0, 100, "gate");
  byId("level-reset").addEventListener("click", () => move({ level: given.level, gate: given.max_percentile }));
  byId("gate-on").addEventListener("change", (event) => move({ gate: event.target.checked ? (given.max_percentile ?? 99) : null }));
  byId("zoom-in").addEventListener("click", () => zoomBy(1.5));
  byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
  byId("zoom-reset").addEventListener("click", () => zoomBy(0));
  byId("curve").addEventListener("click", (event) => move({ level: levelAt(event) }));
  window.addEventListener("hashchange", fromAddress);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    drawMap();
  });
  new ResizeObserver(resized).observe(overlay);
  overlay.addEventListener("keydown", walk);
  listenToPointer();
}

function listenToPointer() {
  let from = null;
  overlay.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY, viewX: view.x, viewY: view.y, moved: false };
    overlay.setPointerCapture(event.pointerId);
  });
  overlay.addEventListener("pointermove", (event) => {
    if (from && Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4) from.moved = true;
    if (from && from.moved && view.zoom > 1) {
      view.x = from.viewX - (event.clientX - from.x) / scaleOf();
      view.y = from.viewY + (event.clientY - from.y) / scaleOf();
      drawMap();
    } else if (!from && event.pointerType === "mouse") {
      const found = nearest(event.offsetX, event.offsetY);
      if (found) choose(found);
    }
  });
  overlay.addEventListener("pointerup", (event) => {
    if (from && !from.moved) choose(nearest(event.offsetX, event.offsetY) ?? state.chosen);
    from = null;
  });
  overlay.addEventListener("pointercancel", () => {
    from = null;
  });
  overlay.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a bare wheel scrolls the page
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
  }, { passive: false });
}

function walk(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step !== undefined) {
    const all = series
      .filter((one) => one.shown)
      .flatMap((one) => Array.from(one.drawn, (row) => ({ one, row })))
      .sort((first, second) => first.one.needed[first.row] - second.one.needed[second.row]);
    const at = state.chosen ? all.findIndex(({ one, row }) => one === state.chosen.one && row === state.chosen.row) : -1;
    // The first step begins at the level: there the verdicts are closest.
    const start = all.findIndex(({ one, row }) => one.needed[row] > state.level);
    const next = at >= 0 ? at + step : step > 0 ? start : start - 1;
    if (all.length) choose(all[Math.min(Math.max(next, 0), all.length - 1)]);
  } else if (event.key === "+" || event.key === "=") zoomBy(1.5);
  else if (event.key === "-") zoomBy(1 / 1.5);
  else return;
  event.preventDefault();
}

function writeWords() {
  byId("title").textContent = given.title;
  byId("subtitle").textContent = given.subtitle;
  overlay.ariaLabel = "Map of the crops";
  byId("stage").style.aspectRatio = Math.min(Math.max((X1 - X0) / (Y1 - Y0), 1), 1.6);
  byId("level-means").textContent = given.components.length
    ? "Share of the dominant component that the solid ellipse encloses. A crop is kept if it needs no higher level."
    : "Share of the real class that is let in. A crop is kept if it needs no higher level.";
  const gate = given.max_percentile === null ? "its second gate is off" : `its second gate is at percentile ${given.max_percentile}`;
  byId("level-own").textContent = `The filter's own level is ${rounded(given.level, 6)}; ${gate}.`;
  const total = series.reduce((sum, one) => sum + one.count, 0);
  const drawn = series.reduce((sum, one) => sum + one.drawn.length, 0);
  const all = drawn === total
    ? `All ${numbers.format(total)} crops are drawn.`
    : `${numbers.format(drawn)} of ${numbers.format(total)} crops are drawn; every one is counted.`;
  const dashed = given.components.length > 1 ? " Dashed: the other components of the mixture, which keep nothing." : "";
  byId("notes").textContent = `${all} Hollow points are rejected; normal crops are always filled.${dashed}`;
  byId("pictures-note").textContent =
    `${numbers.format(tiles.length)} of ${numbers.format(total)} crops have a picture in this file. Those nearest the level come first; the bar below a picture has its group's colour.`;
}

readColours();
writeWords();
buildLegend();
buildTable();
buildTiles();
listen();
fromAddress();

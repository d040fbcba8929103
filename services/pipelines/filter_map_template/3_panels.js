// The words beside the map: legend, table of counts, one crop, and the pictures.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") Object.assign(made.style, value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function dot(one, kept = true) {
  const colour = one.kind === "candidate" ? `var(--${kept ? "kept" : "rejected"})` : `var(--${one.kind})`;
  return kept
    ? element("span", { className: "dot", style: { background: colour } })
    : element("span", { className: "dot ring", style: { borderColor: colour } });
}

function toggle(id, checked, change, ...labels) {
  const box = element("input", { type: "checkbox", id, checked });
  box.addEventListener("change", () => change(box.checked));
  return element("li", {}, element("label", {}, box, ...labels));
}

function buildLegend() {
  const items = series.map((one) => {
    const change = (checked) => {
      one.shown = checked;
      refresh();
    };
    const words = one.kind === "candidate" ? [one.name, ":", dot(one), "kept", dot(one, false), "rejected"] : [dot(one), one.name];
    return toggle(`series-${one.index}`, true, change, ...words);
  });
  if (series.some((one) => one.contours.length)) {
    const change = (checked) => {
      state.contours = checked;
      drawMap();
    };
    items.push(toggle("contours-on", true, change, "contours around 50, 75 and 95 %"));
  }
  const change = (checked) => {
    state.byLevel = checked;
    drawMap();
  };
  items.push(toggle("by-level", state.byLevel, change, "colour by the level needed (yellow: high)"));
  byId("legend").append(...items);
}

function buildTable() {
  byId("own-column").textContent = `share at ${rounded(given.level)}`;
  for (const one of series) {
    const cell = (what) => element("td", { "data-series": one.index, "data-what": what });
    const own = cell("own");
    own.textContent = percent(keptOf(one, given.level, given.max_percentile), one.count);
    const before = cell("before");
    before.textContent = numbers.format(one.count);
    const name = element("th", { scope: "row" }, dot(one), one.name);
    const row = element("tr", {}, name, before, cell("kept"), cell("rejected"), cell("share"), own);
    byId("counts").tBodies[0].append(row);
  }
}

function fillTable() {
  const cells = (one, what) => document.querySelector(`td[data-series="${one.index}"][data-what="${what}"]`);
  const spoken = series.map((one) => {
    const kept = keptOf(one, state.level, state.gate);
    cells(one, "kept").textContent = numbers.format(kept);
    cells(one, "rejected").textContent = numbers.format(one.count - kept);
    cells(one, "share").textContent = percent(kept, one.count);
    return `${one.name}: ${kept} of ${one.count} kept`;
  });
  byId("spoken").textContent = spoken.join("; ");
}

function verdictOf(one, row) {
  const why = [];
  if (!passesLevel(one, row, state.level)) why.push("beyond the level");
  if (!passesGate(one, row, state.gate)) why.push("beyond the second gate");
  return why.length ? `rejected: ${why.join(" and ")}` : "kept";
}

function spot(tile) {
  const { columns, rows } = given.sprite;
  const part = (index, count) => (count > 1 ? `${(100 * index) / (count - 1)}%` : "0%");
  return {
    backgroundSize: `${columns * 100}% ${rows * 100}%`,
    backgroundPosition: `${part(tile % columns, columns)} ${part(Math.floor(tile / columns), rows)}`,
  };
}

function labelOf(one, row) {
  const place = one.placeOf.get(row);
  return place === undefined ? `row ${row}` : nameOf(one, place, row);
}

function fillDetail() {
  if (!state.chosen) return;
  const { one, row } = state.chosen;
  const tile = one.tileOf.get(row);
  const shot =
    tile === undefined
      ? element("div", { className: "shot none" }, "no picture of this one in the file")
      : element("div", { className: "shot", role: "img", ariaLabel: "Picture of the crop", style: spot(tile) });
  const facts = [
    ["crop", labelOf(one, row)],
    ["of", one.name],
    ["verdict", verdictOf(one, row)],
    ["level needed", one.needed[row].toFixed(6)],
    ["distance", `percentile ${one.percentile[row].toFixed(1)}`],
  ];
  const list = element("dl", {}, ...facts.flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]));
  byId("detail").replaceChildren(shot, list);
}

function choose(found) {
  if (found && state.chosen && found.one === state.chosen.one && found.row === state.chosen.row) return;
  state.chosen = found;
  document.querySelectorAll(".tile.chosen").forEach((tile) => tile.classList.remove("chosen"));
  if (found) {
    const tile = found.one.tileOf.get(found.row);
    if (tile !== undefined) byId(`tile-${tile}`).classList.add("chosen");
    overlay.ariaLabel = `Map. Chosen: ${labelOf(found.one, found.row)}, ${verdictOf(found.one, found.row)}`;
  }
  fillDetail();
  drawChosen();
}

// In the order in which a rising level lets them in.
const tiles = series
  .flatMap((one) => Array.from(one.tileRows, (row) => ({ one, row, tile: one.tileOf.get(row) })))
  .sort((first, second) => first.one.needed[first.row] - second.one.needed[second.row]);

function buildTiles() {
  if (!tiles.length) {
    byId("pictures").hidden = true;
    return;
  }
  document.head.append(element("style", {}, `.tile, .shot:not(.none) { background-image: url("${given.sprite.uri}"); }`));
  for (const item of tiles) {
    const label = `${item.one.name}, ${labelOf(item.one, item.row)}: needs level ${item.one.needed[item.row].toFixed(4)}`;
    item.button = element("button", {
      type: "button",
      id: `tile-${item.tile}`,
      className: "tile",
      title: label,
      ariaLabel: label,
      style: spot(item.tile),
    });
    const pick = () => choose({ one: item.one, row: item.row });
    ["click", "focus", "pointerenter"].forEach((happened) => item.button.addEventListener(happened, pick));
  }
}

let sorted = "";
function fillTiles() {
  const shown = tiles.filter((item) => item.one.shown);
  const [kept, rejected] = [true, false].map((wanted) => shown.filter((item) => keeps(item.one, item.row) === wanted));
  kept.reverse(); // nearest the level first, on both sides
  const order = [kept, rejected].map((part) => part.map((item) => item.tile).join()).join(";");
  byId("kept-count").textContent = `${kept.length} of ${shown.length} pictures`;
  byId("rejected-count").textContent = `${rejected.length} of ${shown.length} pictures`;
  if (order === sorted) return;
  sorted = order;
  for (const [part, id, isKept] of [[kept, "tiles-kept", true], [rejected, "tiles-rejected", false]]) {
    for (const item of part) {
      const tone = item.one.kind === "candidate" ? (isKept ? "kept" : "rejected") : item.one.kind;
      item.button.style.setProperty("--tone", `var(--${tone})`);
    }
    byId(id).replaceChildren(...part.map((item) => item.button));
  }
}

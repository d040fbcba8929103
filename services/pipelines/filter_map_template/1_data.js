"use strict";
// What the page was given, where its sliders stand, and the verdict that follows from both.

const given = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat("en");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");

function decoded(base64, Kind) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return new Kind(bytes.buffer);
}

const [X0, Y0, X1, Y1] = given.view;
const QUANTA = 65535;
const planeX = (quantum) => X0 + ((X1 - X0) * quantum) / QUANTA;
const planeY = (quantum) => Y0 + ((Y1 - Y0) * quantum) / QUANTA;

function points(base64) {
  const quanta = decoded(base64, Uint16Array);
  const x = new Float64Array(quanta.length / 2);
  const y = new Float64Array(quanta.length / 2);
  for (let i = 0; i < x.length; i += 1) {
    x[i] = planeX(quanta[2 * i]);
    y[i] = planeY(quanta[2 * i + 1]);
  }
  return { x, y };
}

// `needed` and `percentile` hold every crop, in the doubles that the service compares;
// `drawn` says which of them have a place on the map.
const series = given.series.map((one, index) => ({
  index,
  name: one.name,
  kind: one.kind,
  count: one.count,
  needed: decoded(one.needed, Float64Array),
  percentile: decoded(one.percentile, Float64Array),
  drawn: decoded(one.drawn, Uint32Array),
  place: points(one.places),
  ids: one.ids,
  contours: one.contours.map(([share, line]) => ({ share, line: points(line) })),
  tileRows: decoded(one.tile_rows, Uint32Array),
  firstTile: one.first_tile,
  shown: true,
}));
for (const one of series) {
  one.placeOf = new Map(Array.from(one.drawn, (row, place) => [row, place]));
  one.tileOf = new Map(Array.from(one.tileRows, (row, tile) => [row, one.firstTile + tile]));
}

const state = {
  level: given.level,
  gate: given.max_percentile,
  contours: true,
  byLevel: given.components.length === 0,
  chosen: null, // {one, row}
};

// The same comparison as FilterScores.kept.
const passesLevel = (one, row, level) => one.needed[row] <= level;
const passesGate = (one, row, gate) => gate === null || one.percentile[row] <= gate;
const keeps = (one, row) => passesLevel(one, row, state.level) && passesGate(one, row, state.gate);

function keptOf(one, level, gate) {
  let kept = 0;
  for (let row = 0; row < one.count; row += 1) {
    if (passesLevel(one, row, level) && passesGate(one, row, gate)) kept += 1;
  }
  return kept;
}

const nameOf = (one, place, row) => (one.ids.length ? one.ids[place] : `row ${row}`);
const rounded = (value, digits = 4) => String(Number(value.toFixed(digits)));

/* The history page: what is asked for stands in the address, so that it can be shared.
   One chart for each unit; dragging over a stretch asks for that stretch. */

import { Chart } from "./charts.js";
import { history as ask } from "./series.js";

const page = JSON.parse(document.getElementById("monitoring").textContent);
const form = document.getElementById("history");
const charts = document.getElementById("charts");
const notices = document.querySelectorAll("[data-notice]");
const earlier = [];
let latest = 0;

function notice(name) {
  for (const one of notices) one.hidden = one.dataset.notice !== name;
}

/* "2026-01-31T23:59" of a field is in the server's time zone, as a time without one. */
function asked() {
  const fields = new FormData(form);
  const query = new URLSearchParams();
  for (const metric of fields.getAll("metric")) query.append("metric", metric);
  for (const source of fields.getAll("source")) query.append("source", source);
  if (fields.get("range") === "custom") {
    for (const name of ["start_time", "end_time"]) {
      if (fields.get(name)) query.set(name, fields.get(name));
    }
  } else {
    query.set("range", fields.get("range"));
  }
  return query;
}

function showExports(query) {
  for (const link of document.querySelectorAll("[data-export]")) {
    const all = new URLSearchParams(query);
    all.set("format", link.dataset.export);
    link.href = `/api/monitoring/export?${all}`;
  }
}

async function load() {
  const query = asked();
  const mine = (latest += 1);
  window.history.replaceState(null, "", `?${query}`);
  showExports(query);
  notice("loading");
  if (!query.has("metric")) return show({ times: [], series: [] });
  try {
    const answer = await ask(query);
    if (mine === latest) show(answer);
  } catch {
    if (mine === latest) notice("failed");
  }
  return null;
}

function show(answer) {
  const hasValues = answer.series.some((one) => one.values.some((v) => v !== null));
  notice(hasValues ? "" : "empty");
  charts.replaceChildren();
  if (!hasValues) return;
  for (const series of grouped(answer.series).values()) draw(answer, series);
}

function groupOf(one) {
  return `${one.unit} ${one.aggregate === "rate"}`;
}

function grouped(series) {
  const groups = new Map();
  for (const one of series) {
    const key = groupOf(one);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}

function draw(answer, series) {
  const card = document.createElement("section");
  card.className = "pf-card";
  const element = document.createElement("div");
  element.className = "pf-chart";
  card.append(element);
  charts.append(card);
  const { unit, aggregate } = series[0];
  const chart = new Chart(element, {
    zone: page.zone,
    unit,
    perSecond: aggregate === "rate",
    zoomed: zoom,
  });
  const names = new Set(answer.series.map((one) => one.source.name));
  const lines = series.map((one) => ({ ...one, label: labelOf(one, names.size > 1) }));
  chart.show(answer.times, lines, [answer.start, answer.end]);
}

function labelOf(one, named) {
  const metric = page.metrics[one.metric] ?? one.metric;
  const words = one.aggregate?.startsWith("p") ? `${metric} ${one.aggregate}` : metric;
  return named ? `${one.source.name} · ${words}` : words;
}

/* As a field of type datetime-local takes it, in the server's time zone. */
function local(at) {
  const moment = new Date(at * 1000);
  const words = moment.toLocaleString("sv-SE", { timeZone: page.zone });
  return words.replace(" ", "T");
}

function zoom(from, to) {
  earlier.push(asked());
  back.hidden = false;
  form.elements.range.value = "custom";
  form.elements.start_time.value = local(from);
  form.elements.end_time.value = local(Math.max(to, from + 60));
  changed();
}

function restore(query) {
  form.elements.range.value = query.get("range") ?? "custom";
  for (const name of ["start_time", "end_time"]) {
    form.elements[name].value = query.get(name) ?? "";
  }
}

const back = document.querySelector("[data-zoom-out]");
back.addEventListener("click", () => {
  restore(earlier.pop());
  back.hidden = earlier.length === 0;
  changed();
});

/* Sources of other kinds than the metrics have no lines to show. */
function showFields() {
  const custom = form.elements.range.value === "custom";
  document.querySelector("[data-custom]").hidden = !custom;
  const kinds = new Set(
    [...form.querySelectorAll("[name=metric]:checked")].map((box) => box.dataset.kind),
  );
  for (const group of form.querySelectorAll("[data-sources]")) {
    const used = kinds.has(group.dataset.sources);
    group.hidden = !used;
    for (const box of group.querySelectorAll("input")) box.disabled = !used;
  }
}

function changed() {
  showFields();
  load();
}

form.addEventListener("change", changed);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  changed();
});
changed();

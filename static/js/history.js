/* The history page. The URL holds the query, so that it can be shared. There is one
   chart per unit; dragging across a chart zooms in. */

import { Chart } from "./charts.js";
import { sitePath } from "./paths.js";
import { fetchHistory } from "./series.js";

const page = JSON.parse(document.getElementById("monitoring").textContent);
const form = document.getElementById("history");
const charts = document.getElementById("charts");
const notices = document.querySelectorAll("[data-notice]");
const zoomStack = [];
const MAX_ALERTS = 200;
let latest = 0;
let drawn = [];

function notice(name) {
  for (const one of notices) one.hidden = one.dataset.notice !== name;
}

/* Field values such as "2026-01-31T23:59" are in the server's time zone, and the API
   reads times without a zone the same way. */
function currentQuery() {
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
    const params = new URLSearchParams(query);
    params.set("format", link.dataset.export);
    link.href = sitePath(`/api/monitoring/export?${params}`);
  }
}

async function load() {
  const query = currentQuery();
  const request = (latest += 1);
  window.history.replaceState(null, "", `?${query}`);
  showExports(query);
  notice("loading");
  if (!query.has("metric")) return show({ times: [], series: [] });
  try {
    const result = await fetchHistory(query);
    if (request === latest) show(result);
  } catch {
    if (request === latest) notice("failed");
  }
  return null;
}

function show(result) {
  const hasValues = result.series.some((one) => one.values.some((v) => v !== null));
  notice(hasValues ? "" : "empty");
  charts.replaceChildren();
  if (!hasValues) return;
  drawn = [];
  for (const series of groupByUnit(result.series).values()) draw(result, series);
  showAlerts(result);
}

/* Marks of the alerts about what a chart shows. */
async function showAlerts(result) {
  const metrics = [...new Set(result.series.map((one) => one.metric))];
  const times = { since: result.start, until: result.end };
  const query = new URLSearchParams({ metric: metrics.join(","), page_size: MAX_ALERTS });
  for (const [name, at] of Object.entries(times)) query.set(name, new Date(at * 1000).toISOString());
  const request = latest;
  const response = await fetch(sitePath(`/api/alerts?${query}`));
  if (!response.ok || request !== latest) return;
  const alerts = (await response.json()).results;
  for (const { chart, lines } of drawn) chart.show(result.times, lines, [result.start, result.end], marksOf(alerts, lines, result.end));
}

function marksOf(alerts, lines, end) {
  const shown = new Set(lines.map(seriesKey));
  return alerts.filter((alert) => shown.has(seriesKey(alert))).map((alert) => ({
    from: Date.parse(alert.fired_at) / 1000,
    to: alert.ended_at ? Date.parse(alert.ended_at) / 1000 : end,
    title: `${alert.rule_name} · ${alert.source.name}`,
    severity: alert.severity,
  }));
}

function seriesKey({ metric, source }) {
  return `${metric} ${source.kind}:${source.key}`;
}

function groupKey(one) {
  return `${one.unit} ${one.aggregate === "rate"}`;
}

function groupByUnit(series) {
  const groups = new Map();
  for (const one of series) {
    const key = groupKey(one);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}

function draw(result, series) {
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
    onZoom: zoom,
  });
  const names = new Set(result.series.map((one) => one.source.name));
  const lines = series.map((one) => ({ ...one, label: lineLabel(one, names.size > 1) }));
  chart.show(result.times, lines, [result.start, result.end]);
  drawn.push({ chart, lines });
}

function lineLabel(one, withSource) {
  const metric = page.metrics[one.metric] ?? one.metric;
  const label = one.aggregate?.startsWith("p") ? `${metric} ${one.aggregate}` : metric;
  return withSource ? `${one.source.name} · ${label}` : label;
}

/* Value of a datetime-local field, in the server's time zone. */
function localTime(at) {
  const moment = new Date(at * 1000);
  const text = moment.toLocaleString("sv-SE", { timeZone: page.zone });
  return text.replace(" ", "T");
}

function zoom(from, to) {
  zoomStack.push(currentQuery());
  back.hidden = false;
  form.elements.range.value = "custom";
  form.elements.start_time.value = localTime(from);
  form.elements.end_time.value = localTime(Math.max(to, from + 60));
  update();
}

function restore(query) {
  form.elements.range.value = query.get("range") ?? "custom";
  for (const name of ["start_time", "end_time"]) {
    form.elements[name].value = query.get(name) ?? "";
  }
}

const back = document.querySelector("[data-zoom-out]");
back.addEventListener("click", () => {
  restore(zoomStack.pop());
  back.hidden = zoomStack.length === 0;
  update();
});

/* Hide sources whose kind no selected metric has. */
function updateFields() {
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

function update() {
  updateFields();
  load();
}

form.addEventListener("change", update);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});
update();

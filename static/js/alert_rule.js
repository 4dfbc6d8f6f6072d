/* The form of an alert rule: offers only aggregates and sources that the metric has, and
   tests the rule on past history. */

import { Chart } from "./charts.js";
import { sitePath } from "./paths.js";
import { fetchHistory } from "./series.js";

const page = JSON.parse(document.getElementById("monitoring").textContent);
const part = document.querySelector("[data-backtest]");
const result = part.querySelector("[data-result]");
const element = part.querySelector("[data-chart]");
const form = document.getElementById("alertrule_form");
const WHOLE = ["window_s", "for_s", "keep_firing_for_s", "min_count", "repeat_interval_s"];
const MAX_LINES = 8; // more are indistinguishable

function field(name) {
  return form.elements[name];
}

/* Only what fits the metric; a choice that no longer does is replaced. */
function fitChoices() {
  const metric = page.metrics[field("metric").value];
  const aggregate = field("aggregate");
  for (const option of aggregate.options) {
    option.hidden = option.disabled = !metric.aggregates.includes(option.value);
  }
  if (aggregate.selectedOptions[0]?.disabled) aggregate.value = metric.default;
  for (const option of field("scope").options) {
    const fits = option.value.startsWith(`${metric.kind}:`);
    option.hidden = option.disabled = !fits;
    if (!fits) option.selected = false;
  }
  for (const group of field("scope").querySelectorAll("optgroup")) {
    group.hidden = [...group.children].every((option) => option.hidden);
  }
  showUnit(metric.symbol);
}

function showUnit(symbol) {
  for (const name of ["threshold", "clear_threshold"]) {
    const input = field(name);
    const note = input.parentElement.querySelector("[data-unit]") ?? document.createElement("span");
    note.dataset.unit = "";
    note.textContent = symbol;
    input.after(note);
  }
}

function selected(name) {
  return [...field(name).selectedOptions].map((option) => option.value);
}

function number(text) {
  return text === "" ? null : Number(text);
}

function rule() {
  const body = part.dataset.backtest ? { id: Number(part.dataset.backtest) } : {};
  for (const name of ["metric", "aggregate", "comparison", "severity"]) body[name] = field(name).value;
  for (const name of WHOLE) body[name] = number(field(name).value) ?? 0;
  for (const name of ["threshold", "clear_threshold"]) body[name] = number(field(name).value);
  return { ...body, scope: selected("scope"), days: Number(part.querySelector("[data-days]").value) };
}

async function post(body) {
  const response = await fetch(sitePath("/api/alert-rules/backtest"), {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": field("csrfmiddlewaretoken").value },
    body: JSON.stringify(body),
  });
  return [response.ok, await response.json()];
}

async function run() {
  result.classList.remove("pf-stale");
  result.textContent = result.dataset.running;
  try {
    const body = rule();
    const [ok, answer] = await post(body);
    if (!ok) return fail(answer.message);
    result.textContent = answer.message;
    await draw(body, answer);
  } catch {
    fail(result.dataset.failed);
  }
  return null;
}

function fail(text) {
  result.classList.add("pf-stale");
  result.textContent = text;
  element.hidden = true;
}

async function draw(body, answer) {
  const times = [answer.start, answer.end].map((at) => new Date(at * 1000).toISOString());
  const query = new URLSearchParams({
    metric: body.metric, aggregate: body.aggregate, start_time: times[0], end_time: times[1],
  });
  for (const source of body.scope) query.append("source", source);
  const history = await fetchHistory(query);
  const chart = new Chart(fresh(), {
    zone: page.zone, unit: page.metrics[body.metric].unit, perSecond: body.aggregate === "rate",
  });
  const lines = history.series.slice(0, MAX_LINES).map((one) => ({ label: one.source.name, ...one }));
  const marks = answer.episodes.map(({ start, end, source }) => ({ from: start, to: end ?? answer.end, title: source.name }));
  chart.show(history.times, lines, [history.start, history.end], marks);
}

/* A chart keeps its unit, so that another metric needs a new one. */
function fresh() {
  const place = document.createElement("div");
  element.replaceChildren(place);
  element.hidden = false;
  return place;
}

if (field("metric")) {
  field("metric").addEventListener("change", fitChoices);
  part.querySelector("button").addEventListener("click", run);
  fitChoices();
} else {
  part.querySelector(".pf-head").hidden = true; // a viewer's page has no fields
}

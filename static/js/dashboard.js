/* A page of live charts, configured by the JSON in #monitoring: {zone, panels: [{id,
   kind, unit, per_second, metrics: [{name, label, live, aggregate}]}]}. kind: the kind
   of sources in the panel. live: name of the metric in the live topic. */

import { Chart } from "./charts.js";
import { live } from "./socket.js";
import { Series, alignLines, fetchRecent, span } from "./series.js";

const REFRESH_MS = 30000;
const TOPICS = { host: "host", gpu: "gpus", model: "models" };
const page = JSON.parse(document.getElementById("monitoring").textContent);

/* False for sources that the user has unchecked. */
function isSelected(kind, key) {
  const box = document.querySelector(`[data-source="${CSS.escape(`${kind}:${key}`)}"]`);
  return box ? box.checked : true;
}

class Panel {
  #lines = new Map();

  constructor(panel) {
    this.panel = panel;
    const element = document.querySelector(`[data-chart="${panel.id}"]`);
    const { unit, per_second: perSecond } = panel;
    this.chart = new Chart(element, { zone: page.zone, unit, perSecond });
  }

  #line(metric, source) {
    const id = `${metric.name} ${source.key}`;
    if (!this.#lines.has(id)) {
      const label = metric.label || source.name;
      const series = new Series(label);
      this.#lines.set(id, Object.assign(series, { key: source.key, metric: metric.name }));
    }
    return this.#lines.get(id);
  }

  /* The selected percentile, or the default aggregate of the metric. */
  #aggregate(metric) {
    const select = document.querySelector(`[data-aggregate="${this.panel.id}"]`);
    return select ? select.value : metric.aggregate;
  }

  async load() {
    for (const metric of this.panel.metrics) {
      const aggregate = this.#aggregate(metric);
      const result = await fetchRecent([metric.name], aggregate);
      for (const one of result.series) {
        const line = this.#line(metric, one.source);
        if (line.aggregate !== aggregate) line.clear();
        line.aggregate = aggregate;
        line.setHistory(result.times, one.values, result.step);
      }
    }
    this.draw();
  }

  add(sources, at) {
    for (const metric of this.panel.metrics) {
      const isPublished = !metric.live_aggregate || metric.live_aggregate === this.#aggregate(metric);
      if (!metric.live || !isPublished) continue;
      for (const source of sources) {
        if (metric.live in source) this.#line(metric, source).add(at, source[metric.live]);
      }
    }
    this.draw();
  }

  draw() {
    const range = span();
    const lines = [...this.#lines.values()];
    for (const line of lines) line.trim(range[0]);
    const selected = lines.filter((line) => isSelected(this.panel.kind, line.key));
    const [times, ...columns] = alignLines(selected, range[0]);
    const series = selected.map(({ label }, index) => ({ label, values: columns[index] }));
    this.chart.show(times, series, range);
  }
}

/* A message describes one machine, or a list of GPUs or models. */
function sourcesOf(kind, data) {
  if (kind === "host") return [{ ...data, key: data.node ?? page.node, name: data.node ?? page.node }];
  if (kind === "gpu") {
    return data.map((one) => ({ ...one, key: one.uuid, name: `${one.index} ${one.name}` }));
  }
  return data.map((one) => ({ ...one, key: String(one.id) }));
}

const panels = page.panels.map((panel) => new Panel(panel));

async function load() {
  for (const panel of panels) {
    try {
      await panel.load();
    } catch {
      // Live points are drawn until the next attempt.
    }
  }
}

for (const [kind, topic] of Object.entries(TOPICS)) {
  const matching = panels.filter((one) => one.panel.kind === kind);
  if (!matching.length) continue;
  live.on(topic, (data, at) => {
    for (const panel of matching) panel.add(sourcesOf(kind, data), at);
  });
}
live.addEventListener("resumed", load);
for (const box of document.querySelectorAll("[data-source], [data-aggregate]")) {
  box.addEventListener("change", load);
}
for (const one of panels) one.draw();
load();
setInterval(() => document.hidden || load(), REFRESH_MS);

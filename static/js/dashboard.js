/* A page of live charts, as the JSON in #monitoring says: {zone, panels: [{id, kind,
   unit, per_second, select, metrics: [{name, label, live, aggregate}]}]}. kind: of the
   sources whose lines the panel has. live: what the metric is called in its topic. */

import { Chart } from "./charts.js";
import { live } from "./socket.js";
import { Series, joined, recent, span } from "./series.js";

const REFRESH_MS = 30000;
const TOPICS = { host: "host", gpu: "gpus", model: "models" };
const page = JSON.parse(document.getElementById("monitoring").textContent);

/* Sources that the reader took out of the charts. */
function isChosen(kind, key) {
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

  /* What each metric is asked as: most by default, percentiles as chosen. */
  #aggregate(metric) {
    const select = document.querySelector(`[data-aggregate="${this.panel.id}"]`);
    return select ? select.value : metric.aggregate;
  }

  async load() {
    for (const metric of this.panel.metrics) {
      const aggregate = this.#aggregate(metric);
      const answer = await recent([metric.name], aggregate);
      for (const one of answer.series) {
        const line = this.#line(metric, one.source);
        if (line.aggregate !== aggregate) line.forget();
        line.aggregate = aggregate;
        line.setPast(answer.times, one.values, answer.step);
      }
    }
    this.draw();
  }

  hear(sources, at) {
    for (const metric of this.panel.metrics) {
      const isTold = !metric.live_aggregate || metric.live_aggregate === this.#aggregate(metric);
      if (!metric.live || !isTold) continue;
      for (const source of sources) {
        if (metric.live in source) this.#line(metric, source).hear(at, source[metric.live]);
      }
    }
    this.draw();
  }

  draw() {
    const shown = span();
    const lines = [...this.#lines.values()];
    for (const line of lines) line.trim(shown[0]);
    const chosen = lines.filter((line) => isChosen(this.panel.kind, line.key));
    const [times, ...columns] = joined(chosen, shown[0]);
    const series = chosen.map(({ label }, index) => ({ label, values: columns[index] }));
    this.chart.show(times, series, shown);
  }
}

/* Machines are told of one by one, GPUs and models as lists. */
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
      // Drawn from what is heard, until the next time.
    }
  }
}

for (const [kind, topic] of Object.entries(TOPICS)) {
  const of = panels.filter((one) => one.panel.kind === kind);
  if (!of.length) continue;
  live.on(topic, (data, at) => {
    for (const one of of) one.hear(sourcesOf(kind, data), at);
  });
}
live.addEventListener("resumed", load);
for (const box of document.querySelectorAll("[data-source], [data-aggregate]")) {
  box.addEventListener("change", load);
}
for (const one of panels) one.draw();
load();
setInterval(() => document.hidden || load(), REFRESH_MS);

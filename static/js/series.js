/* Series of a live chart: history from the API, followed by live points. */

import { sitePath } from "./paths.js";

const WINDOW_S = 900;
const GAP_S = 5; // a longer pause between live points is drawn as a gap

export function span() {
  const now = Date.now() / 1000;
  return [now - WINDOW_S, now];
}

export async function fetchHistory(query) {
  const response = await fetch(sitePath(`/api/monitoring/metrics?${new URLSearchParams(query)}`));
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/* The last 15 minutes of metrics. */
export async function fetchRecent(metrics, aggregate) {
  const [from, to] = span().map((at) => new Date(at * 1000).toISOString());
  const query = { start_time: from, end_time: to, metric: metrics.join(","), step: "10s" };
  if (aggregate) query.aggregate = aggregate;
  return fetchHistory(query);
}

/* One line of a chart: points from history, then live points. */
export class Series {
  #history = [];
  #live = [];

  constructor(label) {
    this.label = label;
  }

  /* Points are [time, value]; a bucket is drawn at its end. */
  setHistory(times, values, step) {
    this.#history = times.map((at, index) => [at + step, values[index]]);
    while (this.#history.length && this.#history.at(-1)[1] === null) this.#history.pop();
    const known = this.#history.at(-1)?.[0] ?? 0;
    this.#live = this.#live.filter(([at]) => at > known);
  }

  add(at, value) {
    const last = this.#live.at(-1)?.[0] ?? this.#history.at(-1)?.[0];
    if (last !== undefined && at <= last) return;
    const isGap = last !== undefined && at - last > (this.#live.length ? GAP_S : 25);
    if (isGap) this.#live.push([last + 1, null]);
    this.#live.push([at, value ?? null]);
  }

  clear() {
    this.#history = [];
    this.#live = [];
  }

  points(from) {
    return [...this.#history, ...this.#live].filter(([at]) => at >= from);
  }

  trim(from) {
    this.#live = this.#live.filter(([at]) => at >= from);
  }
}

/* Align lines with different times into columns over all times. */
export function alignLines(lines, from) {
  const tables = lines.map((line) => columns(line.points(from)));
  if (!tables.length) return [[]];
  return window.uPlot.join(tables);
}

function columns(points) {
  return [points.map(([at]) => at), points.map(([, value]) => value)];
}

/* Series of a live chart: history from the API, and after it what was heard since. */

const WINDOW_S = 900;
const HOLE_S = 5; // between two seconds that were heard: nothing was measured

export function span() {
  const now = Date.now() / 1000;
  return [now - WINDOW_S, now];
}

export async function history(query) {
  const response = await fetch(`/api/monitoring/metrics?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/* The last quarter of an hour of metrics, by "metric key". */
export async function recent(metrics, aggregate) {
  const [from, to] = span().map((at) => new Date(at * 1000).toISOString());
  const query = { start_time: from, end_time: to, metric: metrics.join(","), step: "10s" };
  if (aggregate) query.aggregate = aggregate;
  return history(query);
}

/* One line of a chart: points of history, then points that were heard. */
export class Series {
  #past = [];
  #heard = [];

  constructor(label) {
    this.label = label;
  }

  /* Points [time, value]; a bucket tells of the time that it covers, shown at its end. */
  setPast(times, values, step) {
    this.#past = times.map((at, index) => [at + step, values[index]]);
    while (this.#past.length && this.#past.at(-1)[1] === null) this.#past.pop();
    const known = this.#past.at(-1)?.[0] ?? 0;
    this.#heard = this.#heard.filter(([at]) => at > known);
  }

  hear(at, value) {
    const last = this.#heard.at(-1)?.[0] ?? this.#past.at(-1)?.[0];
    if (last !== undefined && at <= last) return;
    const isHole = last !== undefined && at - last > (this.#heard.length ? HOLE_S : 25);
    if (isHole) this.#heard.push([last + 1, null]);
    this.#heard.push([at, value ?? null]);
  }

  forget() {
    this.#past = [];
    this.#heard = [];
  }

  points(from) {
    return [...this.#past, ...this.#heard].filter(([at]) => at >= from);
  }

  trim(from) {
    this.#heard = this.#heard.filter(([at]) => at >= from);
  }
}

/* Lines with times of their own, as columns over all times. */
export function joined(lines, from) {
  const tables = lines.map((line) => columns(line.points(from)));
  if (!tables.length) return [[]];
  return window.uPlot.join(tables);
}

function columns(points) {
  return [points.map(([at]) => at), points.map(([, value]) => value)];
}

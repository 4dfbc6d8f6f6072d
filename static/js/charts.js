/* Time series charts, drawn by uPlot in the colours of the page. */

import { clock, withUnit } from "./units.js";

const uPlot = window.uPlot;
const HEIGHT = 200;
const LIGHT = ["#7c3aed", "#0891b2", "#d97706", "#dc2626", "#16a34a", "#2563eb", "#db2777", "#65a30d"];
const DARK = ["#a78bfa", "#22d3ee", "#fbbf24", "#f87171", "#4ade80", "#60a5fa", "#f472b6", "#a3e635"];
const DAY_S = 86400;
// Units whose axis steps are powers of two
const BINARY = new Set(["byte", "MiB"]);
const POWERS = Array.from({ length: 50 }, (_, power) => 2 ** power);

function isDark() {
  return document.documentElement.classList.contains("dark");
}

function colour(index) {
  const palette = isDark() ? DARK : LIGHT;
  return palette[index % palette.length];
}

function faint() {
  return isDark() ? "rgb(255 255 255 / 8%)" : "rgb(0 0 0 / 8%)";
}

function text() {
  return isDark() ? "#a1a1aa" : "#71717a";
}

/* Times of day for ranges within a day, else dates. */
function timeLabels(zone) {
  const hours = clock(zone, { hour: "2-digit", minute: "2-digit" });
  const seconds = clock(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const days = clock(zone, { month: "2-digit", day: "2-digit" });
  return (plot, splits) => {
    const step = splits.length > 1 ? splits[1] - splits[0] : 60;
    const format = step >= DAY_S ? days : step < 60 ? seconds : hours;
    const isLong = plot.scales.x.max - plot.scales.x.min > DAY_S && step < DAY_S;
    return splits.map((at) => {
      const label = format.format(at * 1000);
      return isLong ? `${days.format(at * 1000)} ${label}` : label;
    });
  };
}

function timeAxis(zone) {
  return {
    stroke: text,
    grid: { stroke: faint, width: 1 },
    ticks: { stroke: faint, width: 1 },
    values: timeLabels(zone),
    space: (plot) => (plot.scales.x.max - plot.scales.x.min > DAY_S ? 95 : 70),
  };
}

function valueAxis(unit, perSecond) {
  return {
    stroke: text,
    grid: { stroke: faint, width: 1 },
    ticks: { show: false },
    size: 76,
    values: (_plot, splits) => splits.map((value) => withUnit(value, unit, perSecond)),
    ...(BINARY.has(unit) ? { incrs: POWERS } : {}),
  };
}

/* Starts at zero, so that small changes do not look large. */
function valueRange(unit) {
  return (_plot, _low, high) => {
    if (unit === "percent") return [0, 100];
    return [0, high > 0 ? high * 1.1 : 1];
  };
}

function line({ label, unit, perSecond }, index) {
  return {
    label,
    stroke: () => colour(index),
    width: 1.5,
    points: { show: false },
    spanGaps: false,
    value: (_plot, value) => withUnit(value, unit, perSecond),
  };
}

function edge() {
  return { class: "pf-edge", stroke: "transparent", points: { show: false }, label: "" };
}

function translucent(index) {
  return `${colour(index)}2e`;
}

export class Chart {
  #plot = null;
  #signature = "";

  /* onZoom(from, to): called after dragging; without it, dragging is disabled. */
  constructor(element, { zone, unit, perSecond = false, onZoom = null }) {
    this.element = element;
    this.options = { zone, unit, perSecond, onZoom };
    new ResizeObserver(() => this.#resize()).observe(element);
    new MutationObserver(() => this.#plot?.redraw(false)).observe(
      document.documentElement,
      { attributeFilter: ["class"] },
    );
  }

  /* series: [{label, values, min?, max?}] with one value per time. span: [from, to] of
     the time axis. marks: [{from, to, title, severity?}], times that are marked. */
  show(times, series, span, marks = []) {
    this.marks = marks;
    const signature = JSON.stringify(series.map((one) => [one.label, Boolean(one.min)]));
    if (signature !== this.#signature) this.#rebuild(series);
    this.#signature = signature;
    const columns = series.map((one) => one.values);
    const edges = series.flatMap((one) => (one.min ? [one.max, one.min] : []));
    this.span = span;
    this.#plot.setData([times, ...columns, ...edges]);
    // uPlot draws in a microtask, which clears the legend of a new chart.
    queueMicrotask(() => this.#showNewest(times));
  }

  /* The legend shows the newest values unless the cursor is over the chart. */
  #showNewest(times) {
    const hasCursor = this.#plot.cursor.idx !== null && this.#plot.cursor.left >= 0;
    if (times.length && !hasCursor) this.#plot.setLegend({ idx: times.length - 1 });
  }

  #rebuild(series) {
    this.#plot?.destroy();
    this.element.replaceChildren();
    const bands = [];
    let next = series.length + 1;
    series.forEach((one, index) => {
      if (!one.min) return;
      bands.push({ series: [next, next + 1], fill: () => translucent(index) });
      next += 2;
    });
    const edges = Array.from({ length: next - series.length - 1 }, edge);
    const lines = series.map((one, index) => line({ ...this.options, ...one }, index));
    const options = this.#uplotOptions([...lines, ...edges], bands);
    this.#plot = new uPlot(options, [[], ...lines.map(() => []), ...edges.map(() => [])], this.element);
  }

  #uplotOptions(series, bands) {
    const { zone, unit, perSecond, onZoom } = this.options;
    const moment = clock(zone, { dateStyle: "short", timeStyle: "medium" });
    const time = {
      label: "\u00a0",
      value: (_plot, at) => (at === null || at === undefined ? "–" : moment.format(at * 1000)),
    };
    return {
      width: Math.max(this.element.clientWidth, 100),
      height: HEIGHT,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
      scales: {
        x: { range: (_plot, low, high) => this.span ?? [low, high] },
        y: { range: valueRange(unit) },
      },
      axes: [timeAxis(zone), valueAxis(unit, perSecond)],
      cursor: {
        sync: { key: "page" },
        drag: { x: Boolean(onZoom), y: false, setScale: false },
        points: { size: 6 },
      },
      series: [time, ...series],
      bands,
      legend: { live: true },
      hooks: {
        setSelect: onZoom ? [(plot) => this.#select(plot)] : [],
        draw: [(plot) => this.#drawMarks(plot)],
      },
    };
  }

  /* Elements and not a part of the drawing, so that each has a title. */
  #drawMarks(plot) {
    for (const old of plot.over.querySelectorAll(".pf-mark-time")) old.remove();
    const { min, max } = plot.scales.x;
    for (const { from, to, title, severity = "" } of this.marks ?? []) {
      if (to < min || from > max) continue;
      const [left, right] = [Math.max(from, min), Math.min(to, max)].map((at) => plot.valToPos(at, "x"));
      const mark = document.createElement("div");
      mark.className = "pf-mark-time";
      mark.dataset.severity = severity;
      mark.title = title;
      mark.style.left = `${left}px`;
      mark.style.width = `${Math.max(right - left, 2)}px`;
      plot.over.append(mark);
    }
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 5) return;
    const [from, to] = [left, left + width].map((x) => plot.posToVal(x, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.options.onZoom(Math.floor(from), Math.ceil(to));
  }

  #resize() {
    const width = this.element.clientWidth;
    if (this.#plot && width) this.#plot.setSize({ width, height: HEIGHT });
  }
}

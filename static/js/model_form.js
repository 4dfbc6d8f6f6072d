/* The memory estimate in a model's form, updated while the user types, beside the memory
   that its runs have used. Empty sizes of a new model are filled with the estimate. */

import { draftOf, post } from "./draft.js";
import { sitePath } from "./paths.js";
import { withUnit } from "./units.js";

const PATH = sitePath("/api/models/estimate");
const PAUSE_MS = 500;
const RELEVANT = ["framework", "driver", "config", "gpu_count"];
const SIZES = ["gpu_memory_mib", "memory_mib"];
const card = document.querySelector("[data-estimate]");
const form = card.closest("form");
const output = card.querySelector("[role=status]");
const table = card.querySelector("table");
const advice = card.querySelector("[data-advice]");
const texts = card.querySelector("[data-texts]").content;
const isNew = !card.dataset.estimate;
// Sizes that this page has filled in. They follow the estimate until the user changes them:
// null from then on.
const filled = new Map();
let requests = 0;
let pause = 0;

function text(code) {
  return texts.querySelector(`[data-text="${code}"]`).textContent;
}

function cell(row, of) {
  return row.querySelector(`td[data-of=${of}]`);
}

function showSize(row, of, mib) {
  const known = mib !== null && mib !== undefined;
  cell(row, of).querySelector("span").textContent = known ? withUnit(mib, "MiB") : "";
  const button = cell(row, of).querySelector("button");
  if (!button) return;
  button.hidden = !known;
  button.value = known ? mib : "";
}

function showParts(estimate) {
  for (const row of table.querySelectorAll("[data-part]")) {
    const { part } = row.dataset;
    const sizes = ["gpu", "host"].map((of) => estimate?.[of][part] ?? 0);
    cell(row, "gpu").textContent = withUnit(sizes[0], "MiB");
    cell(row, "host").textContent = withUnit(sizes[1], "MiB");
    row.hidden = !estimate || sizes.every((mib) => mib === 0);
  }
}

function row(name, isThere) {
  const found = table.querySelector(`[data-row=${name}]`);
  found.hidden = !isThere;
  return found;
}

function show({ gpu_count: gpus, estimate, measured, advice: lines }) {
  table.querySelector("[data-gpus]").textContent = gpus > 1 ? `× ${gpus}` : "";
  for (const part of table.querySelectorAll("[data-of=gpu]")) part.hidden = !gpus;
  showParts(estimate);
  const estimated = row("estimated", estimate);
  showSize(estimated, "gpu", estimate?.gpu.total_mib);
  showSize(estimated, "host", estimate?.host.total_mib);
  showSize(row("each", estimate && gpus > 1), "gpu", estimate && estimate.gpu.total_mib / gpus);
  const used = row("measured", measured);
  table.querySelector("[data-runs]").textContent = measured?.runs ?? "";
  showSize(used, "gpu", measured?.gpu_memory_mib);
  showSize(used, "host", measured?.memory_mib);
  table.hidden = !estimate && !measured;
  advice.replaceChildren(
    ...lines.map(({ message }) => {
      const line = document.createElement("li");
      line.textContent = message;
      return line;
    }),
  );
  advice.hidden = !lines.length;
}

function hide(message) {
  output.textContent = message;
  table.hidden = true;
  advice.hidden = true;
}

function set(name, value) {
  form.elements[name].value = value;
}

/* The field is empty, or still has the value that was filled in. */
function isFree(name) {
  const now = form.elements[name].value.trim();
  return filled.has(name) ? now === filled.get(name) : Number(now) === 0;
}

function fill(name, mib) {
  if (!isNew || !isFree(name)) return;
  filled.set(name, String(mib ?? 0));
  set(name, filled.get(name));
}

function isFilled() {
  return SIZES.some((name) => Number(filled.get(name) ?? 0) > 0);
}

async function estimate(number) {
  if (/^\s*(null|\{\s*\})?\s*$/.test(form.elements.config.value)) return hide(text("empty"));
  // The API refuses GPU memory without GPUs.
  if (!Number(form.elements.gpu_count.value)) fill("gpu_memory_mib", 0);
  const draft = draftOf(form, card.dataset.estimate);
  output.textContent = text("checking");
  const { status, body } = await post(PATH, form, draft);
  if (number !== requests) return;
  if (status !== 200) return hide(body.errors?.[0]?.message ?? body.message);
  show(body);
  for (const name of SIZES) fill(name, body.defaults[name]);
  output.textContent = body.problem?.message ?? (isFilled() ? text("filled") : "");
}

async function update() {
  requests += 1;
  const number = requests;
  try {
    await estimate(number);
  } catch (error) {
    if (number === requests) hide(text(error instanceof SyntaxError ? "json" : "failed"));
  }
}

function changed({ target }) {
  if (SIZES.includes(target.name)) filled.set(target.name, null);
  if (!RELEVANT.includes(target.name)) return;
  clearTimeout(pause);
  pause = setTimeout(update, PAUSE_MS);
}

form.addEventListener("input", changed);
form.addEventListener("change", changed);
card.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-fill]");
  if (!button) return;
  filled.set(button.dataset.fill, null);
  set(button.dataset.fill, button.value);
  form.elements[button.dataset.fill].focus();
});
update();

/* GPU cards: copies of #gpu-card, whose data-field elements show values of the GPU, and
   whose bars show data-share="used total". */

import { sitePath } from "./paths.js";
import { live } from "./socket.js";
import { withUnit } from "./units.js";

const BOOKINGS_INTERVAL_MS = 5000;
const list = document.querySelector("[data-gpus]");
const template = document.getElementById("gpu-card");
const emptyNotice = document.querySelector("[data-no-gpu]");

function fill(card, gpu) {
  for (const element of card.querySelectorAll("[data-field]")) {
    const { field, unit } = element.dataset;
    const value = gpu[field];
    element.textContent = unit === undefined ? value ?? "" : withUnit(value, unit);
  }
  for (const bar of card.querySelectorAll("[data-share]")) {
    const [used, capacity] = bar.dataset.share.split(" ");
    const total = capacity === "100" ? 100 : gpu[capacity];
    bar.style.width = total ? `${Math.min(100, (100 * (gpu[used] ?? 0)) / total)}%` : "0";
  }
}

function findOrCreateCard(gpu) {
  const selector = `[data-gpu="${CSS.escape(gpu.uuid)}"]`;
  const found = list.querySelector(selector);
  if (found) return found;
  list.append(template.content.cloneNode(true));
  const card = list.lastElementChild;
  card.dataset.gpu = gpu.uuid;
  return card;
}

function show(gpus) {
  emptyNotice.hidden = gpus.length > 0;
  const known = new Set(gpus.map((gpu) => gpu.uuid));
  for (const card of list.querySelectorAll("[data-gpu]")) {
    if (!known.has(card.dataset.gpu)) card.remove();
  }
  for (const gpu of gpus) fill(findOrCreateCard(gpu), gpu);
}

/* Show how much of each GPU is booked by which model. */
async function showBookings() {
  if (document.hidden || !template.content.querySelector("[data-booked]")) return;
  const response = await fetch(sitePath("/api/scheduling/resources")).catch(() => null);
  if (!response?.ok) return;
  const machines = await response.json();
  for (const gpu of machines.flatMap((machine) => machine.gpus)) {
    const card = list.querySelector(`[data-gpu="${CSS.escape(gpu.uuid)}"] [data-booked]`);
    card?.replaceChildren(...gpu.booked.map(bookingItem));
  }
}

function bookingItem({ model, mib }) {
  const row = document.createElement("li");
  const name = document.createElement("strong");
  name.textContent = model;
  row.append(name, ` ${withUnit(mib, "MiB")}`);
  return row;
}

if (list) {
  live.on("gpus", show);
  showBookings();
  setInterval(showBookings, BOOKINGS_INTERVAL_MS);
}

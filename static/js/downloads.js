/* Downloads from hubs, on the library page. Each row is a copy of #download-row, whose
   data-field elements are filled in. */

import { sitePath } from "./paths.js";
import { withUnit } from "./units.js";

const API = sitePath("/api/library/downloads");
const ACTIVE_POLL_MS = 2000;
const IDLE_POLL_MS = 15000;
const FINISHED_SHOWN = 3;
const OPEN = ["queued", "running", "verifying"];
const SPEED_S = 10; // over which the speed is averaged

const part = document.querySelector("[data-downloads]");
const list = part.querySelector("[data-list]");
const form = part.querySelector("[data-form]");
const problem = part.querySelector("[data-problem]");
const template = document.getElementById("download-row");
const labels = JSON.parse(document.getElementById("download-labels").textContent);
const previous = new Map(); // by uid: {state, points: [[seconds, bytes]]}
let timer = 0;

function showProblem(text) {
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = !text;
}

async function send(method, path, body) {
  const headers = { "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(explain(await response.json()));
}

/* The messages of a refused request. Focuses the first wrong field. */
function explain({ message, errors = [] }) {
  const field = form?.elements.namedItem(errors[0]?.field ?? "");
  const more = field?.closest("details");
  if (more) more.open = true;
  field?.focus();
  return errors.map((each) => each.message).join(" ") || message;
}

/* Bytes per second, averaged over SPEED_S. */
function speed(download) {
  const now = performance.now() / 1000;
  const before = previous.get(download.uid);
  const points = download.state === "running" ? [...(before?.points ?? [])] : [];
  points.push([now, download.bytes_done]);
  while (points.length > 2 && points[0][0] < now - SPEED_S) points.shift();
  previous.set(download.uid, { state: download.state, points });
  const [[first, begin], [last, end]] = [points[0], points.at(-1)];
  return last > first && end > begin ? (end - begin) / (last - first) : 0;
}

function duration(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = [minutes, Math.floor(seconds) % 60].map((n) => String(n).padStart(2, "0"));
  return [hours, ...rest].join(":");
}

function figures(download) {
  const { bytes_done: done, bytes_total: total } = download;
  const rate = speed(download);
  if (total === null) return [];
  if (download.state === "done") return [withUnit(total, "byte")];
  const texts = [`${withUnit(done, "byte")} / ${withUnit(total, "byte")}`];
  if (rate) {
    texts.push(withUnit(rate, "byte", true));
    texts.push(labels.left.replace("%(time)s", duration((total - done) / rate)));
  }
  return texts;
}

function nextAttempt(download) {
  if (!download.retry_at) return [];
  const { timeZone } = document.querySelector("[data-time-zone]").dataset;
  const options = { timeZone, timeZoneName: "short" };
  const time = new Date(download.retry_at).toLocaleTimeString(document.documentElement.lang, options);
  return [labels.again.replace("%(time)s", time)];
}

function fill(row, download) {
  const files = download.files.join(", ") || labels.all;
  const texts = {
    title: download.repo,
    state: labels.states[download.state],
    figures: [files, ...figures(download), ...nextAttempt(download)].join(" · "),
    path: download.path,
    reason: download.reason?.message ?? "",
  };
  for (const element of row.querySelectorAll("[data-field]")) {
    element.textContent = texts[element.dataset.field];
    if (element.dataset.field === "reason") element.hidden = !texts.reason;
  }
  const percent = Math.floor(100 * download.progress);
  const bar = row.querySelector(".pf-bar");
  bar.hidden = download.state === "done" || download.bytes_total === null;
  bar.setAttribute("aria-valuenow", percent);
  bar.firstElementChild.style.width = `${percent}%`;
  showButtons(row, download);
}

function showButtons(row, download) {
  row.dataset.state = download.state;
  const isOpen = OPEN.includes(download.state);
  const isDone = download.state === "done";
  const allowed = { cancel: isOpen, retry: !isOpen && !isDone, remove: !isOpen };
  for (const button of row.querySelectorAll("[data-do]")) {
    button.hidden = !allowed[button.dataset.do];
  }
  const link = row.querySelector("[data-show]");
  link.hidden = !isDone;
  link.href = `?search=${encodeURIComponent(download.path)}`;
}

function rowOf(download) {
  const found = list.querySelector(`[data-uid="${download.uid}"]`);
  if (found) return found;
  const row = template.content.cloneNode(true).firstElementChild;
  row.dataset.uid = download.uid;
  return row;
}

/* Open downloads, and the newest of the others. */
function visible(downloads) {
  const finished = downloads.filter(({ state }) => !OPEN.includes(state)).slice(0, FINISHED_SHOWN);
  return downloads.filter((download) => OPEN.includes(download.state) || finished.includes(download));
}

async function show(downloads) {
  const isNew = ({ uid, state }) => state === "done" && OPEN.includes(previous.get(uid)?.state);
  const arrived = downloads.some(isNew);
  const rows = visible(downloads).map((download) => {
    const row = rowOf(download);
    fill(row, download);
    return row;
  });
  for (const row of [...list.children]) if (!rows.includes(row)) row.remove();
  rows.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  part.querySelector("[data-none]").hidden = rows.length > 0;
  if (arrived && form) await send("POST", sitePath("/api/library/scan")).catch(() => null);
}

async function poll() {
  clearTimeout(timer);
  let pause = IDLE_POLL_MS;
  try {
    const response = await fetch(API);
    if (!response.ok) throw new Error(labels.lost);
    const downloads = await response.json();
    if (downloads.some(({ state }) => OPEN.includes(state))) pause = ACTIVE_POLL_MS;
    await show(downloads);
  } catch {
    pause = ACTIVE_POLL_MS;
  }
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? waitUntilShown() : poll()), pause);
}

function waitUntilShown() {
  document.addEventListener("visibilitychange", poll, { once: true });
}

async function act(method, path, body) {
  try {
    await send(method, path, body);
    showProblem("");
    return true;
  } catch (error) {
    showProblem(error instanceof TypeError ? labels.lost : error.message);
    return false;
  } finally {
    poll();
  }
}

list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const path = `${API}/${button.closest("[data-uid]").dataset.uid}`;
  const verb = button.dataset.do;
  if (verb === "remove") act("DELETE", path);
  else act("POST", `${path}/${verb}`);
});

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(form));
  delete body.csrfmiddlewaretoken;
  if (await act("POST", API, body)) form.reset();
});

poll();

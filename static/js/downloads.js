/* Downloads from hubs, in the library page: asked for, watched, ended. Each is a copy of
   #download-row, whose data-field elements are filled. */

import { withUnit } from "./units.js";

const API = "/api/library/downloads";
const WATCH_MS = 2000;
const LOOK_MS = 15000;
const OVER_SHOWN = 3;
const OPEN = ["queued", "running", "verifying"];
const SPEED_S = 10; // over which the speed is averaged

const part = document.querySelector("[data-downloads]");
const list = part.querySelector("[data-list]");
const form = part.querySelector("[data-form]");
const problem = part.querySelector("[data-problem]");
const template = document.getElementById("download-row");
const words = JSON.parse(document.getElementById("download-words").textContent);
const seen = new Map(); // by uid: {state, points: [[seconds, bytes]]}
let timer = 0;

function tell(text) {
  if (!problem) return;
  problem.textContent = text;
  problem.hidden = !text;
}

async function send(method, path, body) {
  const headers = { "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(refused(await answer.json()));
}

/* Why, without the names of fields; the first field that is wrong is shown and chosen. */
function refused({ message, errors = [] }) {
  const field = form?.elements.namedItem(errors[0]?.field ?? "");
  const more = field?.closest("details");
  if (more) more.open = true;
  field?.focus();
  return errors.map((each) => each.message).join(" ") || message;
}

/* Bytes a second, and what is known to be here. */
function speed(download) {
  const now = performance.now() / 1000;
  const before = seen.get(download.uid);
  const points = download.state === "running" ? [...(before?.points ?? [])] : [];
  points.push([now, download.bytes_done]);
  while (points.length > 2 && points[0][0] < now - SPEED_S) points.shift();
  seen.set(download.uid, { state: download.state, points });
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
  const told = [`${withUnit(done, "byte")} / ${withUnit(total, "byte")}`];
  if (rate) {
    told.push(withUnit(rate, "byte", true));
    told.push(words.left.replace("%(time)s", duration((total - done) / rate)));
  }
  return told;
}

function again(download) {
  if (!download.retry_at) return [];
  const time = new Date(download.retry_at).toLocaleTimeString(document.documentElement.lang);
  return [words.again.replace("%(time)s", time)];
}

function fill(row, download) {
  const files = download.files.join(", ") || words.all;
  const texts = {
    title: download.repo,
    state: words.states[download.state],
    figures: [files, ...figures(download), ...again(download)].join(" · "),
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
  offer(row, download);
}

function offer(row, download) {
  row.dataset.state = download.state;
  const isOpen = OPEN.includes(download.state);
  const isDone = download.state === "done";
  const offered = { cancel: isOpen, retry: !isOpen && !isDone, remove: !isOpen };
  for (const button of row.querySelectorAll("[data-do]")) {
    button.hidden = !offered[button.dataset.do];
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

/* Those that go on, and the newest of those that do not. */
function chosen(downloads) {
  const over = downloads.filter(({ state }) => !OPEN.includes(state)).slice(0, OVER_SHOWN);
  return downloads.filter((download) => OPEN.includes(download.state) || over.includes(download));
}

async function show(downloads) {
  const isNew = ({ uid, state }) => state === "done" && OPEN.includes(seen.get(uid)?.state);
  const arrived = downloads.some(isNew);
  const rows = chosen(downloads).map((download) => {
    const row = rowOf(download);
    fill(row, download);
    return row;
  });
  for (const row of [...list.children]) if (!rows.includes(row)) row.remove();
  rows.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  part.querySelector("[data-none]").hidden = rows.length > 0;
  if (arrived && form) await send("POST", "/api/library/scan").catch(() => null);
}

async function look() {
  clearTimeout(timer);
  let pause = LOOK_MS;
  try {
    const answer = await fetch(API);
    if (!answer.ok) throw new Error(words.lost);
    const downloads = await answer.json();
    if (downloads.some(({ state }) => OPEN.includes(state))) pause = WATCH_MS;
    await show(downloads);
  } catch {
    pause = WATCH_MS;
  }
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? waitUntilShown() : look()), pause);
}

function waitUntilShown() {
  document.addEventListener("visibilitychange", look, { once: true });
}

async function act(method, path, body) {
  try {
    await send(method, path, body);
    tell("");
    return true;
  } catch (error) {
    tell(error instanceof TypeError ? words.lost : error.message);
    return false;
  } finally {
    look();
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
  const asked = Object.fromEntries(new FormData(form));
  delete asked.csrfmiddlewaretoken;
  if (await act("POST", API, asked)) form.reset();
});

look();

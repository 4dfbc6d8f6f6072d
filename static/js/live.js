/* Refreshes parts of a page: each element with data-live="key" is replaced by the element
   with the same key in the HTML from data-live-url, every data-live-seconds and whenever
   the websocket reports a change. */

import { live } from "./socket.js";

const DEBOUNCE_MS = 200; // changes arrive in groups
const source = document.querySelector("[data-live-url]");
const shown = new Map();

function isAtEnd(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight < 8;
}

function isBeingRead(element) {
  const selection = document.getSelection();
  const selected = !selection.isCollapsed && element.contains(selection.anchorNode);
  return selected || (element.tagName === "PRE" && !isAtEnd(element));
}

function replace(old, fresh) {
  const focused = old.contains(document.activeElement) && document.activeElement;
  old.replaceWith(fresh);
  if (fresh.tagName === "PRE") fresh.scrollTop = fresh.scrollHeight;
  if (focused) {
    const action = focused.getAttribute("formaction");
    fresh.querySelector(`[formaction="${CSS.escape(action ?? "")}"]`)?.focus();
  }
}

function update(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of parsed.querySelectorAll("[data-live]")) {
    const key = fresh.dataset.live;
    const old = document.querySelector(`[data-live="${CSS.escape(key)}"]`);
    if (!old || shown.get(key) === fresh.outerHTML || isBeingRead(old)) continue;
    shown.set(key, fresh.outerHTML);
    replace(old, fresh);
  }
}

function setStale(isStale) {
  for (const notice of document.querySelectorAll("[data-live-stale]")) {
    notice.hidden = !isStale;
  }
}

/* Returns false when retrying is useless: signed out, or the row no longer exists. */
async function refresh() {
  let response;
  try {
    response = await fetch(source.dataset.liveUrl);
  } catch {
    setStale(true);
    return true;
  }
  const usable = response.ok && !response.redirected;
  setStale(!usable);
  if (usable) update(await response.text());
  return usable || response.status >= 500;
}

function refreshLater() {
  setTimeout(async () => {
    if (document.hidden || (await refresh())) refreshLater();
  }, source.dataset.liveSeconds * 1000);
}

let soon = null;
function refreshSoon() {
  soon ??= setTimeout(() => {
    soon = null;
    if (!document.hidden) refresh();
  }, DEBOUNCE_MS);
}

/* Calls back when the data of a topic differs from the last message. */
function onChange(topic, callback) {
  let last;
  live.on(topic, (data) => {
    const text = JSON.stringify(data);
    if (last !== undefined && last !== text) callback();
    last = text;
  });
}

for (const part of document.querySelectorAll("[data-live]")) {
  shown.set(part.dataset.live, part.outerHTML);
  if (part.tagName === "PRE") part.scrollTop = part.scrollHeight;
}
if (source) {
  refreshLater();
  onChange("activity", refreshSoon);
  onChange("status", refreshSoon);
}

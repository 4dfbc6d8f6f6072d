/* The bell of each page: how many alerts are unread, and a toast for each new one.
   Events come from the live topic "alerts"; counts and texts from the API, which knows
   the reader and the language. */

import { sitePath } from "./paths.js";
import { live } from "./socket.js";

const TOAST_MS = 15000;
const MAX_TOASTS = 4;
const POLL_MS = 15000; // while the websocket is interrupted
const MOST = 99;

const unread = document.querySelector("[data-unread]");
const toasts = document.querySelector("[data-toasts]");
const template = document.querySelector("[data-toast]");
const isAlertsPage = Boolean(document.querySelector("[data-alerts-page]"));
let known = null;

async function getJson(path) {
  const response = await fetch(sitePath(path), { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

function csrfToken() {
  return document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

async function markRead() {
  const headers = { "X-CSRFToken": csrfToken() };
  await fetch(sitePath("/api/alerts/mark-read"), { method: "POST", headers });
}

async function refreshCount() {
  try {
    if (isAlertsPage && !document.hidden) await markRead();
    const { count } = await getJson("/api/alerts/unread");
    unread.hidden = count === 0;
    unread.textContent = count > MOST ? `${MOST}+` : String(count);
  } catch {
    // The next change or page shows it.
  }
}

function showToast(alert) {
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.severity = alert.severity;
  toast.querySelector("[data-part=name]").textContent = alert.rule_name;
  toast.querySelector("[data-part=sentence]").textContent = alert.sentence;
  toast.querySelector("button").addEventListener("click", () => toast.remove());
  toasts.append(toast);
  while (toasts.children.length > MAX_TOASTS) toasts.firstElementChild.remove();
  setTimeout(() => toast.remove(), TOAST_MS);
}

/* The same tag in all tabs: the browser shows it once. */
function notify(alert) {
  if (!document.hidden || !("Notification" in window)) return;
  if (Notification.permission !== "granted") return;
  new Notification(alert.rule_name, { body: alert.sentence, tag: alert.uid });
}

async function announce(id) {
  try {
    const alert = await getJson(`/api/alerts/${id}`);
    showToast(alert);
    notify(alert);
  } catch {
    // It is in the list.
  }
}

function receive({ recent }) {
  const fired = recent.filter((alert) => alert.state !== "resolved");
  const fresh = known ? fired.filter((alert) => !known.has(alert.uid)) : [];
  const changed = known === null || recent.some((alert) => !known.has(alert.uid));
  known = new Set([...(known ?? []), ...recent.map((alert) => alert.uid)]);
  for (const alert of fresh.slice(0, MAX_TOASTS)) announce(alert.id);
  if (changed) refreshCount();
}

/* Browsers want a click before they are asked for permission. */
function offerNotifications() {
  const place = document.querySelector("[data-notifications]");
  if (!place || !("Notification" in window)) return;
  place.hidden = Notification.permission !== "default";
  place.querySelector("button").addEventListener("click", async () => {
    await Notification.requestPermission();
    place.hidden = Notification.permission !== "default";
  });
}

live.on("alerts", receive);
document.addEventListener("visibilitychange", () => document.hidden || refreshCount());
setInterval(() => live.interrupted && !document.hidden && refreshCount(), POLL_MS);
offerNotifications();
refreshCount();

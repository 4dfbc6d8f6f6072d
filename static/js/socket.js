/* Live data over one websocket per page.

   Events on `live`: one named after each topic, with detail.data and detail.at (time);
   "interrupted" when no more messages arrive, "resumed" when they do again. Meanwhile
   the API is polled instead. */

import { sitePath } from "./paths.js";
import { ReconnectingSocket, SIGNED_OUT } from "./reconnecting.js";

const STALE_MS = 5000;
const POLL_MS = 5000;
const ACKNOWLEDGE_MS = 500;

async function fetchJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

class Live extends EventTarget {
  #topics = new Set();
  #socket = null;
  #lastMessageAt = performance.now();
  #interrupted = false;
  #signedOut = false;

  /* Calls callback(data, at) for each message of the topic. */
  on(topic, callback) {
    this.addEventListener(topic, ({ detail }) => callback(detail.data, detail.at));
    this.#topics.add(topic);
    if (!this.#socket) this.#start();
    else this.#socket.send({ topics: [...this.#topics] });
  }

  get interrupted() {
    return this.#interrupted;
  }

  #start() {
    this.#connect();
    setInterval(() => this.#watch(), 1000);
    setInterval(() => this.#poll(), POLL_MS);
    // The browser may have suspended a page in the background.
    document.addEventListener("visibilitychange", () => this.#watch());
  }

  #connect() {
    this.#socket = new ReconnectingSocket(sitePath("/ws/live"), {
      onOpen: () => this.#socket.send({ topics: [...this.#topics], seen: 0 }),
      onMessage: (text) => this.#receive(text),
      onClose: (code) => this.#closed(code),
      acknowledgeMs: ACKNOWLEDGE_MS,
    });
  }

  #closed(code) {
    if (code !== SIGNED_OUT) return true;
    this.#signedOut = true;
    this.#interrupt();
    return false;
  }

  #receive(text) {
    this.#lastMessageAt = performance.now();
    const { topic, data, at } = JSON.parse(text);
    this.#emit(topic, data, at);
    if (this.#interrupted) {
      this.#interrupted = false;
      this.dispatchEvent(new Event("resumed"));
    }
  }

  #emit(topic, data, at) {
    this.dispatchEvent(new CustomEvent(topic, { detail: { data, at } }));
  }

  #watch() {
    if (performance.now() - this.#lastMessageAt > STALE_MS) this.#interrupt();
  }

  #interrupt() {
    if (this.#interrupted) return;
    this.#interrupted = true;
    this.dispatchEvent(new Event("interrupted"));
    this.#poll();
  }

  async #poll() {
    if (!this.#interrupted || this.#signedOut || document.hidden) return;
    try {
      if (["host", "models", "status"].some((topic) => this.#topics.has(topic))) {
        this.#emitStatus(await fetchJson(sitePath("/api/system/status")));
      }
      if (this.#topics.has("gpus")) this.#emitGpus(await fetchJson(sitePath("/api/system/gpu")));
    } catch {
      // The notice is already shown.
    }
  }

  #emitStatus({ host, models, now }) {
    const at = Date.parse(now) / 1000;
    if (host) this.#emit("host", { node: host.node, ...host.metrics }, at);
    this.#emit("status", models, at);
  }

  #emitGpus({ gpus }) {
    const flat = gpus.map(({ metrics, ...gpu }) => ({ ...gpu, ...metrics }));
    this.#emit("gpus", flat, Date.now() / 1000);
  }
}

export const live = new Live();

/* Show elements with data-interrupted while interrupted. */
function setNotices(isShown) {
  for (const notice of document.querySelectorAll("[data-interrupted]")) {
    notice.hidden = !isShown;
  }
}
live.addEventListener("interrupted", () => setNotices(true));
live.addEventListener("resumed", () => setNotices(false));

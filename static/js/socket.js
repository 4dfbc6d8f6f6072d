/* What is measured, as it is measured: one websocket for a page.

   Events, on `live`: one named after each topic, with its data in detail.data and its
   time in detail.at; "interrupted" when nothing comes any more, "resumed" when it does
   again. While it is interrupted the API is asked instead. */

import { Reconnecting, SIGNED_OUT } from "./reconnecting.js";

const STALE_MS = 5000;
const POLL_MS = 5000;
const ACKNOWLEDGE_MS = 500;

async function ask(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

class Live extends EventTarget {
  #topics = new Set();
  #socket = null;
  #heardAt = performance.now();
  #interrupted = false;
  #signedOut = false;

  /* Calls take(data, at) at each text of the topic. */
  on(topic, take) {
    this.addEventListener(topic, ({ detail }) => take(detail.data, detail.at));
    this.#topics.add(topic);
    if (!this.#socket) this.#start();
    else this.#socket.say({ topics: [...this.#topics] });
  }

  get interrupted() {
    return this.#interrupted;
  }

  #start() {
    this.#connect();
    setInterval(() => this.#watch(), 1000);
    setInterval(() => this.#poll(), POLL_MS);
    // A page that comes back to the front may have slept.
    document.addEventListener("visibilitychange", () => this.#watch());
  }

  #connect() {
    this.#socket = new Reconnecting("/ws/live", {
      opened: () => this.#socket.say({ topics: [...this.#topics], seen: 0 }),
      told: (text) => this.#take(text),
      closed: (code) => this.#closed(code),
      acknowledgeMs: ACKNOWLEDGE_MS,
    });
  }

  #closed(code) {
    if (code !== SIGNED_OUT) return true;
    this.#signedOut = true;
    this.#interrupt();
    return false;
  }

  #take(text) {
    this.#heardAt = performance.now();
    const { topic, data, at } = JSON.parse(text);
    this.#tell(topic, data, at);
    if (this.#interrupted) {
      this.#interrupted = false;
      this.dispatchEvent(new Event("resumed"));
    }
  }

  #tell(topic, data, at) {
    this.dispatchEvent(new CustomEvent(topic, { detail: { data, at } }));
  }

  #watch() {
    if (performance.now() - this.#heardAt > STALE_MS) this.#interrupt();
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
        this.#tellStatus(await ask("/api/system/status"));
      }
      if (this.#topics.has("gpus")) this.#tellGpus(await ask("/api/system/gpu"));
    } catch {
      // The notice is there already.
    }
  }

  #tellStatus({ host, models, now }) {
    const at = Date.parse(now) / 1000;
    if (host) this.#tell("host", { node: host.node, ...host.metrics }, at);
    this.#tell("status", models, at);
  }

  #tellGpus({ gpus }) {
    const flat = gpus.map(({ metrics, ...gpu }) => ({ ...gpu, ...metrics }));
    this.#tell("gpus", flat, Date.now() / 1000);
  }
}

export const live = new Live();

/* Notices with data-interrupted are shown while nothing comes. */
function setNotices(shown) {
  for (const notice of document.querySelectorAll("[data-interrupted]")) {
    notice.hidden = !shown;
  }
}
live.addEventListener("interrupted", () => setNotices(true));
live.addEventListener("resumed", () => setNotices(false));

/* The log page: follows a log live, with pause and search. Log lines are only ever set
   as text. */

import { LogLines } from "./loglines.js";
import { sitePath } from "./paths.js";
import { ReconnectingSocket, SIGNED_OUT } from "./reconnecting.js";

const NO_SUCH_RUN = 4404;
const ACKNOWLEDGE_MS = 50;
const MAX_BUFFERED = 5000;

const texts = JSON.parse(document.getElementById("log-texts").textContent);
const page = document.querySelector("[data-log]");

function part(name) {
  return page.querySelector(`[data-${name}]`);
}

function format(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

/* While paused, new lines are buffered. */
class Log {
  #lines = new LogLines(part("lines"), (count) => format(texts.skipped, { count }));
  #buffer = [];
  #skipped = 0;
  #paused = false;
  #state = "connecting";
  #isFirstMessage = true;
  #clearOnResume = false;
  #searchResult = "";

  follow(uid) {
    new ReconnectingSocket(sitePath(`/ws/logs/${uid}`), {
      onOpen: () => this.#opened(),
      onMessage: (text) => this.#receive(JSON.parse(text)),
      onClose: (code) => this.#closed(code),
      acknowledgeMs: ACKNOWLEDGE_MS,
    });
  }

  get lines() {
    return this.#lines;
  }

  setPaused(paused) {
    this.#paused = paused;
    if (!paused) this.#resume();
    this.#updateStatus();
  }

  /* Replaces the log until the page is reloaded. */
  showSearchResult(lines, query) {
    this.#searchResult = format(texts.found, { count: lines.length, query });
    this.#lines.clear();
    this.#lines.add(lines, { skipped: 0, partial: "" });
    this.#updateStatus();
  }

  setEnded() {
    this.#setState("ended");
  }

  /* The first message repeats the last lines. */
  #opened() {
    this.#isFirstMessage = true;
    this.#setState("live");
  }

  #receive(message) {
    if (message.ended) return this.#setState("ended");
    if (this.#searchResult) return null;
    if (this.#isFirstMessage) {
      this.#isFirstMessage = false;
      this.#buffer = [];
      this.#skipped = 0;
      this.#clearOnResume = this.#paused;
      if (!this.#paused) this.#lines.clear();
    }
    if (this.#paused) this.#bufferLines(message);
    else this.#lines.add(message.lines, { skipped: message.skipped, partial: message.partial });
    return this.#updateStatus();
  }

  #bufferLines({ lines, skipped }) {
    this.#buffer.push(...lines);
    this.#skipped += skipped;
    const excess = this.#buffer.length - MAX_BUFFERED;
    if (excess > 0) {
      this.#buffer.splice(0, excess);
      this.#skipped += excess;
    }
  }

  #resume() {
    if (this.#clearOnResume) this.#lines.clear();
    this.#clearOnResume = false;
    this.#lines.add(this.#buffer, { skipped: this.#skipped, partial: "" });
    this.#buffer = [];
    this.#skipped = 0;
  }

  #closed(code) {
    if (this.#state === "ended") return false;
    const isFinal = code === SIGNED_OUT || code === NO_SUCH_RUN;
    this.#setState(isFinal ? "closed" : "interrupted");
    return !isFinal;
  }

  #setState(state) {
    this.#state = state;
    this.#updateStatus();
  }

  #updateStatus() {
    const count = this.#skipped + this.#buffer.length;
    const empty = this.#state === "ended" && this.#lines.isEmpty ? "empty" : "";
    const key = this.#paused ? "paused" : empty || this.#state;
    part("status").textContent = this.#searchResult || format(texts[key], { count });
    page.dataset.state = this.#state;
  }
}

function addSearch(lines) {
  const field = part("search");
  const showMatches = ({ at, count }) => {
    part("matches").textContent = field.value ? format(texts.matches, { at, count }) : "";
  };
  field.addEventListener("input", () => showMatches(lines.search(field.value)));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    showMatches(lines.go(event.shiftKey ? -1 : 1));
  });
  part("previous").addEventListener("click", () => showMatches(lines.go(-1)));
  part("next").addEventListener("click", () => showMatches(lines.go(1)));
  lines.addEventListener("matches", ({ detail }) => showMatches(detail));
}

function addSearchAll(log) {
  const field = part("search");
  const button = part("search-all");
  button.addEventListener("click", async () => {
    const params = new URLSearchParams({ search: field.value, tail: 5000 });
    const response = await fetch(`${button.dataset.searchAll}&${params}`);
    if (!response.ok) return;
    const { text } = await response.json();
    log.showSearchResult(text ? text.split("\n") : [], field.value);
  });
}

function addControls(log) {
  const { lines } = log;
  const only = part("only");
  only.addEventListener("change", () => lines.showOnlyMatches(only.checked));
  const wrap = part("wrap");
  wrap.addEventListener("change", () => lines.wrap(wrap.checked));
  const autoScroll = part("auto-scroll");
  autoScroll.addEventListener("change", () => lines.autoScroll(autoScroll.checked));
  lines.addEventListener("autoscroll", ({ detail }) => {
    autoScroll.checked = detail;
  });
  const pause = part("pause");
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", paused);
    pause.textContent = paused ? texts.resume : texts.pause;
    log.setPaused(paused);
  });
  const run = page.querySelector("[name=run]");
  run.addEventListener("change", () => run.form.submit());
}

if (page) {
  const log = new Log();
  addSearch(log.lines);
  addSearchAll(log);
  addControls(log);
  if ("ended" in page.dataset) log.setEnded();
  else log.follow(page.dataset.log);
}

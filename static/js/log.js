/* The page of a log: it grows by itself, can be held still and searched. What engines
   say is only ever set as text. */

import { LogLines } from "./loglines.js";
import { Reconnecting, SIGNED_OUT } from "./reconnecting.js";

const NO_SUCH_RUN = 4404;
const ACKNOWLEDGE_MS = 50;
const MOST_WAITING = 5000;

const words = JSON.parse(document.getElementById("log-words").textContent);
const page = document.querySelector("[data-log]");

function part(name) {
  return page.querySelector(`[data-${name}]`);
}

function said(phrase, values) {
  return phrase.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}

/* While it is paused, the newest lines wait. */
class Log {
  #lines = new LogLines(part("lines"), (count) => said(words.skipped, { count }));
  #waiting = [];
  #left = 0;
  #paused = false;
  #state = "connecting";
  #fresh = true;
  #renewed = false;
  #found = "";

  follow(uid) {
    new Reconnecting(`/ws/logs/${uid}`, {
      opened: () => this.#opened(),
      told: (text) => this.#take(JSON.parse(text)),
      closed: (code) => this.#closed(code),
      acknowledgeMs: ACKNOWLEDGE_MS,
    });
  }

  get lines() {
    return this.#lines;
  }

  isPaused(paused) {
    this.#paused = paused;
    if (!paused) this.#letIn();
    this.#tell();
  }

  /* In place of the log; that is there again once the page is loaded anew. */
  showFound(lines, query) {
    this.#found = said(words.found, { count: lines.length, query });
    this.#lines.clear();
    this.#lines.add(lines, { skipped: 0, partial: "" });
    this.#tell();
  }

  ended() {
    this.#become("ended");
  }

  /* What comes first are the last lines, known already or not. */
  #opened() {
    this.#fresh = true;
    this.#become("live");
  }

  #take(told) {
    if (told.ended) return this.#become("ended");
    if (this.#found) return null;
    if (this.#fresh) {
      this.#fresh = false;
      this.#waiting = [];
      this.#left = 0;
      this.#renewed = this.#paused;
      if (!this.#paused) this.#lines.clear();
    }
    if (this.#paused) this.#wait(told);
    else this.#lines.add(told.lines, { skipped: told.skipped, partial: told.partial });
    return this.#tell();
  }

  #wait({ lines, skipped }) {
    this.#waiting.push(...lines);
    this.#left += skipped;
    const tooMany = this.#waiting.length - MOST_WAITING;
    if (tooMany > 0) {
      this.#waiting.splice(0, tooMany);
      this.#left += tooMany;
    }
  }

  #letIn() {
    if (this.#renewed) this.#lines.clear();
    this.#renewed = false;
    this.#lines.add(this.#waiting, { skipped: this.#left, partial: "" });
    this.#waiting = [];
    this.#left = 0;
  }

  #closed(code) {
    if (this.#state === "ended") return false;
    const over = code === SIGNED_OUT || code === NO_SUCH_RUN;
    this.#become(over ? "closed" : "interrupted");
    return !over;
  }

  #become(state) {
    this.#state = state;
    this.#tell();
  }

  #tell() {
    const count = this.#left + this.#waiting.length;
    const nothing = this.#state === "ended" && this.#lines.isEmpty ? "empty" : "";
    const key = this.#paused ? "paused" : nothing || this.#state;
    part("told").textContent = this.#found || said(words[key], { count });
    page.dataset.state = this.#state;
  }
}

function search(lines) {
  const field = part("search");
  const tell = ({ at, count }) => {
    part("matches").textContent = field.value ? said(words.matches, { at, count }) : "";
  };
  field.addEventListener("input", () => tell(lines.search(field.value)));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    tell(lines.go(event.shiftKey ? -1 : 1));
  });
  part("previous").addEventListener("click", () => tell(lines.go(-1)));
  part("next").addEventListener("click", () => tell(lines.go(1)));
  lines.addEventListener("changed", ({ detail }) => tell(detail));
}

function searchAll(log) {
  const field = part("search");
  const button = part("whole");
  button.addEventListener("click", async () => {
    const asked = new URLSearchParams({ search: field.value, tail: 5000 });
    const answer = await fetch(`${button.dataset.whole}&${asked}`);
    if (!answer.ok) return;
    const { text } = await answer.json();
    log.showFound(text ? text.split("\n") : [], field.value);
  });
}

function choices(log) {
  const { lines } = log;
  const only = part("only");
  only.addEventListener("change", () => lines.showOnlyMatches(only.checked));
  const wrap = part("wrap");
  wrap.addEventListener("change", () => lines.wrap(wrap.checked));
  const stick = part("stick");
  stick.addEventListener("change", () => lines.stick(stick.checked));
  lines.addEventListener("stuck", ({ detail }) => {
    stick.checked = detail;
  });
  const pause = part("pause");
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", paused);
    pause.textContent = paused ? words.resume : words.pause;
    log.isPaused(paused);
  });
  const run = page.querySelector("[name=run]");
  run.addEventListener("change", () => run.form.submit());
}

if (page) {
  const log = new Log();
  search(log.lines);
  searchAll(log);
  choices(log);
  if ("ended" in page.dataset) log.ended();
  else log.follow(page.dataset.log);
}

/* The newest lines of a log: coloured by level, searchable, auto-scrolling. */

const MAX_LINES = 5000;
const ERROR = /\b(?:error|fatal|critical|exception|traceback|panic|aborted)\b|^[\d.]+ E /i;
const WARNING = /\bwarn(?:ing)?\b|^[\d.]+ W /i;

function levelOf(text) {
  if (ERROR.test(text)) return "pf-error";
  return WARNING.test(text) ? "pf-warning" : "";
}

/* Events: "matches", with {at, count}; "autoscroll", with whether it is on. */
export class LogLines extends EventTarget {
  #box;
  #formatSkipped;
  #query = "";
  #current = null;
  #partial = null;
  #autoScrolls = true;

  constructor(box, formatSkipped) {
    super();
    this.#box = box;
    this.#formatSkipped = formatSkipped;
    for (const line of box.children) this.#applyLevel(line);
    this.wrap(true);
    this.#scrollToEnd();
    box.addEventListener("scroll", () => this.#scrolled());
  }

  get isEmpty() {
    return this.#box.children.length === 0;
  }

  clear() {
    this.#box.replaceChildren();
    this.#current = this.#partial = null;
  }

  add(lines, { skipped, partial }) {
    const added = document.createDocumentFragment();
    const skippedCount = skipped + Math.max(0, lines.length - MAX_LINES);
    if (skippedCount) added.append(this.#createLine(this.#formatSkipped(skippedCount), "pf-note"));
    for (const text of lines.slice(-MAX_LINES)) added.append(this.#line(text));
    this.#partial?.remove();
    this.#partial = partial ? this.#line(partial) : null;
    this.#partial?.classList.add("pf-partial");
    added.append(this.#partial ?? "");
    this.#box.append(added);
    this.#trim();
    if (this.#autoScrolls) this.#scrollToEnd();
    if (this.#query) this.#notify();
  }

  search(query) {
    this.#query = query.toLowerCase();
    this.#current = null;
    for (const line of this.#box.children) this.#mark(line);
    const found = this.#matches();
    if (found.length) this.#select(found.at(-1));
    return this.#matchState();
  }

  /* by: 1 for the next match, -1 for the previous one; wraps around. */
  go(by) {
    const found = this.#matches();
    const at = found.indexOf(this.#current) + by;
    if (found.length) this.#select(found[(at + found.length) % found.length]);
    return this.#matchState();
  }

  showOnlyMatches(only) {
    this.#box.classList.toggle("pf-only", only);
    if (this.#autoScrolls) this.#scrollToEnd();
  }

  wrap(wraps) {
    this.#box.classList.toggle("pf-wrap", wraps);
    if (this.#autoScrolls) this.#scrollToEnd();
  }

  autoScroll(isOn) {
    this.#autoScrolls = isOn;
    if (isOn) this.#scrollToEnd();
  }

  #line(text) {
    const line = this.#createLine(text, "");
    this.#applyLevel(line);
    if (this.#query) this.#mark(line);
    return line;
  }

  #createLine(text, kind) {
    const line = document.createElement("div");
    line.textContent = text;
    line.className = kind;
    return line;
  }

  #applyLevel(line) {
    const level = levelOf(line.textContent);
    if (level) line.classList.add(level);
  }

  #mark(line) {
    const text = line.textContent;
    const matches = this.#query !== "" && text.toLowerCase().includes(this.#query);
    if (!matches && !line.classList.contains("pf-match")) return;
    line.classList.toggle("pf-match", matches);
    line.classList.remove("pf-current");
    line.replaceChildren(...(matches ? this.#pieces(text) : [text]));
  }

  /* Lower-casing can change the length of a text; then nothing is highlighted. */
  #pieces(text) {
    const lower = text.toLowerCase();
    if (lower.length !== text.length) return [text];
    const pieces = [];
    let done = 0;
    for (let at; (at = lower.indexOf(this.#query, done)) >= 0; ) {
      const mark = document.createElement("mark");
      mark.textContent = text.slice(at, at + this.#query.length);
      pieces.push(text.slice(done, at), mark);
      done = at + this.#query.length;
    }
    return [...pieces, text.slice(done)];
  }

  #matches() {
    return [...this.#box.querySelectorAll(".pf-match")];
  }

  #matchState() {
    const found = this.#matches();
    return { at: found.indexOf(this.#current) + 1, count: found.length };
  }

  #notify() {
    this.dispatchEvent(new CustomEvent("matches", { detail: this.#matchState() }));
  }

  #select(line) {
    this.#current?.classList.remove("pf-current");
    this.#current = line;
    line.classList.add("pf-current");
    line.scrollIntoView({ block: "center" });
  }

  #trim() {
    const lines = this.#box.children;
    const tooMany = lines.length - MAX_LINES;
    if (tooMany <= 0) return;
    const range = document.createRange();
    range.setStartBefore(lines[0]);
    range.setEndAfter(lines[tooMany - 1]);
    range.deleteContents();
  }

  #scrollToEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /* Scrolling back stops auto-scroll; scrolling to the end resumes it. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    const atEnd = scrollHeight - scrollTop - clientHeight < 8;
    if (atEnd === this.#autoScrolls) return;
    this.#autoScrolls = atEnd;
    this.dispatchEvent(new CustomEvent("autoscroll", { detail: atEnd }));
  }
}

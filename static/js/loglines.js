/* The newest lines of a log on a page: coloured by level, searched, scrolled along. */

const MOST = 5000;
const ERROR = /\b(?:error|fatal|critical|exception|traceback|panic|aborted)\b|^[\d.]+ E /i;
const WARNING = /\bwarn(?:ing)?\b|^[\d.]+ W /i;

function levelOf(text) {
  if (ERROR.test(text)) return "pf-error";
  return WARNING.test(text) ? "pf-warning" : "";
}

/* Events: "changed", with {at, count} of the matches; "stuck", with whether it is. */
export class LogLines extends EventTarget {
  #box;
  #skippedWords;
  #query = "";
  #current = null;
  #partial = null;
  #sticks = true;

  constructor(box, skippedWords) {
    super();
    this.#box = box;
    this.#skippedWords = skippedWords;
    for (const line of box.children) this.#colour(line);
    this.wrap(true);
    this.#toEnd();
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
    const fresh = document.createDocumentFragment();
    const left = skipped + Math.max(0, lines.length - MOST);
    if (left) fresh.append(this.#made(this.#skippedWords(left), "pf-note"));
    for (const text of lines.slice(-MOST)) fresh.append(this.#line(text));
    this.#partial?.remove();
    this.#partial = partial ? this.#line(partial) : null;
    this.#partial?.classList.add("pf-partial");
    fresh.append(this.#partial ?? "");
    this.#box.append(fresh);
    this.#forget();
    if (this.#sticks) this.#toEnd();
    if (this.#query) this.#tell();
  }

  search(query) {
    this.#query = query.toLowerCase();
    this.#current = null;
    for (const line of this.#box.children) this.#mark(line);
    const found = this.#matches();
    if (found.length) this.#turnTo(found.at(-1));
    return this.#counted();
  }

  /* by: 1 for the next match, -1 for the one before, around the ends. */
  go(by) {
    const found = this.#matches();
    const at = found.indexOf(this.#current) + by;
    if (found.length) this.#turnTo(found[(at + found.length) % found.length]);
    return this.#counted();
  }

  showOnlyMatches(only) {
    this.#box.classList.toggle("pf-only", only);
    if (this.#sticks) this.#toEnd();
  }

  wrap(wraps) {
    this.#box.classList.toggle("pf-wrap", wraps);
    if (this.#sticks) this.#toEnd();
  }

  stick(sticks) {
    this.#sticks = sticks;
    if (sticks) this.#toEnd();
  }

  #line(text) {
    const line = this.#made(text, "");
    this.#colour(line);
    if (this.#query) this.#mark(line);
    return line;
  }

  #made(text, kind) {
    const line = document.createElement("div");
    line.textContent = text;
    line.className = kind;
    return line;
  }

  #colour(line) {
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

  /* Lower case may be longer than the text: then no piece of it is marked. */
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

  #counted() {
    const found = this.#matches();
    return { at: found.indexOf(this.#current) + 1, count: found.length };
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("changed", { detail: this.#counted() }));
  }

  #turnTo(line) {
    this.#current?.classList.remove("pf-current");
    this.#current = line;
    line.classList.add("pf-current");
    line.scrollIntoView({ block: "center" });
  }

  #forget() {
    const lines = this.#box.children;
    const tooMany = lines.length - MOST;
    if (tooMany <= 0) return;
    const range = document.createRange();
    range.setStartBefore(lines[0]);
    range.setEndAfter(lines[tooMany - 1]);
    range.deleteContents();
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /* Who scrolls back wants to read; who scrolls to the end, to see what comes. */
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    const atEnd = scrollHeight - scrollTop - clientHeight < 8;
    if (atEnd === this.#sticks) return;
    this.#sticks = atEnd;
    this.dispatchEvent(new CustomEvent("stuck", { detail: atEnd }));
  }
}

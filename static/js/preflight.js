/* The button "Check" of a model's form: what is typed, saved or not, is looked at on the
   machine, and each finding is a line with what to do. */

import { ask, draftOf } from "./draft.js";

const PATH = "/api/models/preflight";
const card = document.querySelector("[data-preflight]");
const form = card.closest("form");
const button = card.querySelector("button");
const told = card.querySelector("[role=status]");
const lines = card.querySelector("[data-lines]");
const words = card.querySelector("[data-words]").content;

function word(kind, code) {
  return words.querySelector(`[data-${kind}="${CSS.escape(code)}"]`)?.textContent ?? code;
}

function line({ name, level, message, advice }) {
  const made = card.querySelector("[data-line]").content.cloneNode(true);
  const fill = (part, text) => {
    made.querySelector(`[data-part=${part}]`).textContent = text;
  };
  made.firstElementChild.dataset.level = level;
  fill("level", word("level", level));
  fill("name", word("name", name));
  fill("message", message);
  fill("advice", advice);
  return made;
}

function show(summary, findings) {
  told.textContent = word("told", summary);
  lines.replaceChildren(...findings.map(line));
  lines.hidden = !findings.length;
}

/* What the API refuses to look at */
function refusals({ message, errors }) {
  const found = errors.length ? errors : [{ field: "", message }];
  return found.map((error) => ({
    name: error.field.split(".")[0] || "request",
    level: "error",
    message: error.message,
    advice: "",
  }));
}

function summaryOf({ ok, findings }) {
  if (!ok) return "error";
  return findings.some(({ level }) => level !== "ok") ? "warning" : "ok";
}

async function check() {
  const draft = draftOf(form, card.dataset.preflight);
  const { status, body } = await ask(PATH, form, draft);
  if (status === 200) show(summaryOf(body), body.findings);
  else show("error", refusals(body));
}

async function run() {
  button.disabled = true;
  told.textContent = word("told", "asked");
  try {
    await check();
  } catch (error) {
    show(error instanceof SyntaxError ? "json" : "failed", []);
  }
  button.disabled = false;
  button.focus();
}

button.addEventListener("click", run);
for (const link of document.querySelectorAll('a[href="#preflight"]')) {
  link.addEventListener("click", run);
}

form.addEventListener("input", () => {
  if (!lines.hidden) told.textContent = word("told", "changed");
});

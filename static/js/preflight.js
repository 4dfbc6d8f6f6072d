/* The button "Check" of a model's form: checks the current values, saved or not, and shows
   each finding with advice. */

import { draftOf, post } from "./draft.js";
import { sitePath } from "./paths.js";

const PATH = sitePath("/api/models/preflight");
const card = document.querySelector("[data-preflight]");
const form = card.closest("form");
const button = card.querySelector("button");
const output = card.querySelector("[role=status]");
const lines = card.querySelector("[data-lines]");
const texts = card.querySelector("[data-texts]").content;

function text(kind, code) {
  return texts.querySelector(`[data-${kind}="${CSS.escape(code)}"]`)?.textContent ?? code;
}

function line({ name, level, message, advice }) {
  const made = card.querySelector("[data-line]").content.cloneNode(true);
  const fill = (part, content) => {
    made.querySelector(`[data-part=${part}]`).textContent = content;
  };
  made.firstElementChild.dataset.level = level;
  fill("level", text("level", level));
  fill("name", text("name", name));
  fill("message", message);
  fill("advice", advice);
  return made;
}

function show(summary, findings) {
  output.textContent = text("text", summary);
  lines.replaceChildren(...findings.map(line));
  lines.hidden = !findings.length;
}

/* Problems that the API reports instead of findings */
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
  const { status, body } = await post(PATH, form, draft);
  if (status === 200) show(summaryOf(body), body.findings);
  else show("error", refusals(body));
}

async function run() {
  button.disabled = true;
  output.textContent = text("text", "checking");
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
  if (!lines.hidden) output.textContent = text("text", "changed");
});

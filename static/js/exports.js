/* Exports of the history page. An export too large for a direct response runs as a
   job; the page polls it while it is open. */

import { sitePath } from "./paths.js";

const POLL_MS = 1000;
const status = document.querySelector("[data-export-status]");
const token = document.querySelector("[name=csrfmiddlewaretoken]").value;

function showStatus(text) {
  status.textContent = text;
  status.hidden = false;
}

async function parse(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.message);
  return body;
}

function fetchFile(url) {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}

/* HEAD has the status of GET, without the work. */
async function get(href) {
  const first = await fetch(href, { method: "HEAD" });
  if (first.ok) return fetchFile(href);
  return create(new URL(href).search);
}

async function create(query) {
  const headers = { "X-CSRFToken": token };
  const response = await fetch(sitePath(`/api/monitoring/exports${query}`), { method: "POST", headers });
  return watch(await parse(response));
}

async function watch(job) {
  if (job.state === "failed") throw new Error(status.dataset.failed);
  if (job.state === "done") {
    showStatus(status.dataset.done);
    return fetchFile(job.file);
  }
  showStatus(`${status.dataset.made} ${Math.floor(100 * job.progress)} %`);
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return watch(await parse(await fetch(sitePath(`/api/monitoring/exports/${job.uid}`))));
}

for (const link of document.querySelectorAll("[data-export]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    get(link.href).catch((error) => showStatus(error.message));
  });
}

/* Exports of the history page. What is too large to be answered directly is made in the
   background; this page looks after it while it is open. */

const POLL_MS = 1000;
const told = document.querySelector("[data-export-told]");
const token = document.querySelector("[name=csrfmiddlewaretoken]").value;

function tell(text) {
  told.textContent = text;
  told.hidden = false;
}

async function answered(response) {
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

/* Whether a GET would be answered can be asked without one. */
async function get(href) {
  const first = await fetch(href, { method: "HEAD" });
  if (first.ok) return fetchFile(href);
  return make(new URL(href).search);
}

async function make(words) {
  const headers = { "X-CSRFToken": token };
  const asked = await fetch(`/api/monitoring/exports${words}`, { method: "POST", headers });
  return watch(await answered(asked));
}

async function watch(job) {
  if (job.state === "failed") throw new Error(told.dataset.failed);
  if (job.state === "done") {
    tell(told.dataset.done);
    return fetchFile(job.file);
  }
  tell(`${told.dataset.made} ${Math.floor(100 * job.progress)} %`);
  await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return watch(await answered(await fetch(`/api/monitoring/exports/${job.uid}`)));
}

for (const link of document.querySelectorAll("[data-export]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    get(link.href).catch((error) => tell(error.message));
  });
}

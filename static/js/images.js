/* Refresh the images of the engines page while one is being pulled. */

const REFRESH_MS = 2000;

async function refresh() {
  const part = document.querySelector("[data-images]");
  if (!part.querySelector("[data-open]")) return;
  try {
    const response = await fetch(location.href);
    if (response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      part.replaceWith(page.querySelector("[data-images]"));
    }
  } catch {
    // The server is down: try again.
  }
  setTimeout(refresh, REFRESH_MS);
}

setTimeout(refresh, REFRESH_MS);

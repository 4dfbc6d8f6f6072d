/* Images that are being pulled: their part of the page is fetched again until none is. */

const EVERY_MS = 2000;

async function renew() {
  const part = document.querySelector("[data-images]");
  if (!part.querySelector("[data-open]")) return;
  try {
    const answer = await fetch(location.href);
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      part.replaceWith(page.querySelector("[data-images]"));
    }
  } catch {
    // The server is away; it is asked again.
  }
  setTimeout(renew, EVERY_MS);
}

setTimeout(renew, EVERY_MS);

/* A button with data-copy="id" copies the value of that input. */

async function copy(input) {
  input.select();
  // Browsers have no clipboard API on plain http; there the selection is copied.
  if (navigator.clipboard) await navigator.clipboard.writeText(input.value);
  else document.execCommand("copy");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = button.dataset.copied;
  });
}

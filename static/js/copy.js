/* A button with data-copy="id" copies the value of that input, or that element's text. */

async function copy(element) {
  if (element.select) element.select();
  else getSelection().selectAllChildren(element);
  // Browsers have no clipboard API on plain http; there the selection is copied.
  const text = element.value ?? element.textContent;
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else document.execCommand("copy");
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = button.dataset.copied;
  });
}

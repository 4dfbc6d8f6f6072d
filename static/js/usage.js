/* The usage page: charts of what the server has summed up. */

import { Chart } from "./charts.js";

const { zone, charts } = JSON.parse(document.getElementById("monitoring").textContent);
for (const { id, times, lines } of charts) {
  const element = document.querySelector(`[data-usage-chart="${id}"]`);
  const chart = new Chart(element, { zone, unit: "" });
  if (times.length) chart.show(times, lines, [times[0] - 3600, times.at(-1) + 3600]);
}

const form = document.querySelector("[data-usage]");
form.addEventListener("change", (event) => {
  if (event.target.type !== "text") form.requestSubmit();
});

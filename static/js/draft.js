/* The current values of a model's form, saved or not, as a request of the API. */

const TEXTS = ["framework", "driver"];
const NUMBERS = ["gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib", "replicas"];

/* JSON as text, so that numbers of the configuration keep all their digits. Empty
   numbers are left out. Throws SyntaxError if the configuration is not valid JSON. */
export function draftOf(form, id) {
  const value = (name) => form.elements[name]?.value.trim() ?? "";
  const fields = Object.fromEntries(TEXTS.map((name) => [name, value(name)]));
  for (const name of NUMBERS) {
    if (value(name)) fields[name] = Number(value(name));
  }
  if (id) fields.id = Number(id);
  if (!value("cpu_cores")) fields.cpu_cores = null;
  const config = value("config");
  JSON.parse(config);
  return `${JSON.stringify(fields).slice(0, -1)},"config":${config}}`;
}

/* Resolves to {status, body}; throws without a response in JSON. */
export async function post(path, form, draft) {
  const response = await fetch(path, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
    },
    body: draft,
  });
  return { status: response.status, body: await response.json() };
}

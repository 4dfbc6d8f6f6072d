/* The form of a model as it is now, saved or not, as the API takes it. */

const WORDS = ["framework", "driver"];
const NUMBERS = ["gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib", "replicas"];

/* Text: numbers of the configuration keep all their digits. Throws SyntaxError where
   that is no JSON. An empty number is left to its default, or as it is saved. */
export function draftOf(form, id) {
  const given = (name) => form.elements[name]?.value.trim() ?? "";
  const fields = Object.fromEntries(WORDS.map((name) => [name, given(name)]));
  for (const name of NUMBERS) {
    if (given(name)) fields[name] = Number(given(name));
  }
  if (id) fields.id = Number(id);
  if (!given("cpu_cores")) fields.cpu_cores = null;
  const config = given("config");
  JSON.parse(config);
  return `${JSON.stringify(fields).slice(0, -1)},"config":${config}}`;
}

/* Answers {status, body}; throws where there is no answer, or none in JSON. */
export async function ask(path, form, draft) {
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

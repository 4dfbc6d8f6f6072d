// node client.mjs BASE_URL TOKEN: what OpenAI's client gets, as one JSON object.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "What is 2 + 2?" }];
const fixed = { model: "smol", messages, max_tokens: 8, temperature: 0, seed: 1 };

const whole = await client.chat.completions.create(fixed);
const stream = await client.chat.completions.create({
  ...fixed,
  stream: true,
  stream_options: { include_usage: true },
});
let text = "";
let usage = null;
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}

const asked = { model: "smol", input: "What is 2 + 2?", max_output_tokens: 8 };
const response = await client.responses.create({ ...asked, temperature: 0 });
let responseText = "";
const events = await client.responses.create({ ...asked, temperature: 0, stream: true });
for await (const event of events) {
  if (event.type === "response.output_text.delta") responseText += event.delta;
}

const refused = await client.chat.completions
  .create({ ...fixed, model: "gone" })
  .then(() => null, (error) => ({ status: error.status, code: error.code }));
const unknown = await new OpenAI({ baseURL, apiKey: "x", maxRetries: 0 }).models
  .list()
  .then(() => null, (error) => error.constructor.name);
const models = (await client.models.list()).data.map((model) => model.id);

console.log(
  JSON.stringify({
    whole: whole.choices[0].message.content,
    text,
    usage: [whole.usage.completion_tokens, usage.completion_tokens],
    response: response.output_text,
    responseText,
    refused,
    unknown,
    models,
  }),
);

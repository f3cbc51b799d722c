"use strict";

// The API that is tried out is the one that served this page, wherever that is mounted: /docs, or /some/path/docs.
const api = new URL(".", location.href).href.replace(/\/$/, "");
const source = "docs/openapi.json";

// What a parameter has as its example is filled in and sent. That helps where a value must be given. Where none need be,
// it would change the request (a key used before, a cursor from nowhere), so there the example is only told.
function told(parameter) {
  const { example, examples = {}, schema, ...rest } = parameter;
  const { example: typical, ...type } = schema;
  const values = [example, ...Object.values(examples).map((each) => each.value), typical];
  const texts = values.filter((value) => value !== undefined).map((value) => `\`${value}\``);
  const description = [rest.description, texts.length && `For example: ${texts.join(", ")}`].filter(Boolean).join("\n\n");
  return { ...rest, schema: type, description };
}

function isOptionalParameter(value) {
  return ["query", "header"].includes(value?.in) && value.schema && !value.required;
}

function read(text) {
  return JSON.parse(text, (_name, value) => (isOptionalParameter(value) ? told(value) : value));
}

async function start() {
  const answer = await fetch(source);
  if (!answer.ok) {
    throw new Error(`${source} was answered with ${answer.status}`);
  }
  const ui = SwaggerUIBundle({
    domNode: document.getElementById("reference"),
    spec: { ...read(await answer.text()), servers: [{ url: api }] },
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
  });
  // A document that is given as an object has no address; with one, the page links to it.
  ui.specActions.updateUrl(source);
}

start().catch((error) => {
  document.getElementById("reference").textContent = `The API reference cannot be shown: ${error.message}`;
});

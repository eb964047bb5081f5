// Checks parameters against a method's schema while they are written, so that a mistake is seen before it is sent.
import { words } from "../words.js";

/** The parameters in a text, as {params} or {problem}; `schema` is that of the method. */
export function read(text, schema) {
  let params;
  try {
    params = JSON.parse(text.trim() || "{}");
  } catch (error) {
    return { problem: words("not_json", { n: error.message }) };
  }
  if (params === null || typeof params !== "object" || Array.isArray(params)) return { problem: words("not_object") };
  const missing = schema.required.find((name) => !(name in params));
  if (missing) return { problem: words("missing", { n: missing }) };
  for (const [name, value] of Object.entries(params)) {
    const wanted = schema.properties[name];
    if (!wanted && name !== "_test_id") return { problem: words("not_known", { n: name }) };
    if (wanted && (wanted.type === "object" ? value === null || typeof value !== "object" || Array.isArray(value) : typeof value !== wanted.type)) {
      return { problem: words("wrong_kind", { n: name, m: wanted.type }) };
    }
  }
  return { params };
}

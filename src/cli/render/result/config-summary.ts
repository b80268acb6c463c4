import { isObject, type JsonObject } from "../../../domain/json.ts";
import { oneLine } from "../../../domain/one-line.ts";
import type { Style } from "../../../platform/terminal.ts";
import { renderTable } from "../table.ts";

/**
 * The schema of a plugin configuration in short: what it is, and its keys on the top level, one line each. Anybody may
 * have written it: every part is one line, cut, and only so many keys are listed.
 */
export function renderConfigSummary(schema: JsonObject, style: Style, width: number): string {
  const properties = isObject(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const about = wordsOf(schema);
  const head = `Configuration: ${[typeOf(schema), about].filter(Boolean).join(": ")}`;
  const rows = properties.slice(0, MOST).map(([key, value]) => {
    const property = isObject(value) ? followed(value, schema) : {};
    return [`  ${oneLine(key, KEY)}`, typeOf(property), needOf(property, required.includes(key)), wordsOf(property)];
  });
  if (rows.length === 0) return head;
  const [, ...lines] = renderTable(COLUMNS, rows, width).split("\n");
  const more = properties.length - rows.length;
  return [head, ...lines, ...(more > 0 ? [style.dim(`  and ${more} more: -o json shows the whole schema`)] : [])].join(
    "\n",
  );
}

const COLUMNS = [{ title: "" }, { title: "" }, { title: "" }, { title: "", minWidth: 20 }];
const MOST = 30;
const KEY = 40;
const WORDS = 100;

function needOf({ default: standard }: JsonObject, required: boolean): string {
  if (required) return "required";
  return standard === undefined ? "" : `default ${oneLine(JSON.stringify(standard), KEY)}`;
}

function wordsOf({ title, description }: JsonObject): string {
  const words = description ?? title;
  return typeof words === "string" ? oneLine(words, WORDS) : "";
}

function typeOf({ type, enum: values }: JsonObject): string {
  if (Array.isArray(values)) return oneLine(values.map((value) => JSON.stringify(value)).join(" | "), KEY);
  const names = Array.isArray(type) ? type : [type];
  return names.filter((name) => typeof name === "string").join(" | ");
}

/** A property that only points at a definition is what it points at, with its own words. */
function followed(property: JsonObject, root: JsonObject): JsonObject {
  const { $ref } = property;
  const name = typeof $ref === "string" ? /^#\/\$defs\/([^/]+)$/u.exec($ref)?.[1] : undefined;
  if (name === undefined || !isObject(root["$defs"])) return property;
  const meant = root["$defs"][name];
  return isObject(meant) ? { ...meant, ...property } : property;
}

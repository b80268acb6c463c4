import { type FieldSchema, type MessageSchema, propertyOf, type TextMessage } from "./textproto-schema.ts";
import { quoteBytes, quoteText } from "./textproto-strings.ts";

/** Writes a message in Protobuf's text format, two spaces deep; it parses to the same message again. */
export function printTextproto(message: TextMessage, schema: MessageSchema): string {
  return linesOf(message, schema)
    .map((line) => `${line}\n`)
    .join("");
}

function linesOf(message: TextMessage, schema: MessageSchema): string[] {
  return Object.entries(schema.fields).flatMap(([name, field]) => {
    if (field.olderNameOf !== undefined) return [];
    const value = message[propertyOf(name)];
    if (value === undefined) return [];
    return (Array.isArray(value) ? (value as unknown[]) : [value]).flatMap((one) => fieldLines(name, field, one));
  });
}

function fieldLines(name: string, { type }: FieldSchema, value: unknown): string[] {
  if (typeof type === "object" && "message" in type) {
    const inner = linesOf(value as TextMessage, type.message);
    return inner.length === 0 ? [`${name} {}`] : [`${name} {`, ...inner.map((line) => `  ${line}`), "}"];
  }
  if (type === "string" || type === "bytes") return stringLines(name, type, String(value));
  if (type === "double") return [`${name}: ${doubleText(value as number)}`];
  return [`${name}: ${String(value)}`];
}

/** Text of several lines becomes adjacent strings, one a line. */
function stringLines(name: string, type: "string" | "bytes", value: string): string[] {
  const quote = type === "bytes" ? quoteBytes : quoteText;
  const lines = value.match(/[^\n]*\n|[^\n]+$/gu) ?? [];
  if (lines.length < 2) return [`${name}: ${quote(value)}`];
  return [`${name}:`, ...lines.map((line) => `  ${quote(line)}`)];
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  return value > 0 ? "inf" : "-inf";
}

import { stripControls } from "../domain/redact.ts";

const WARNING = /(?<code>\d{3}) \S+ "(?<text>(?:[^"\\]|\\.)*)"/gu;

/** The texts of `Warning: 299 - "…"` headers (RFC 7234 §5.5), which the API server sends with deprecations and policy. */
export function parseWarnings(header: string | string[] | undefined): readonly string[] {
  if (header === undefined) return [];
  const line = Array.isArray(header) ? header.join(", ") : header;
  return [...line.matchAll(WARNING)]
    .filter((match) => match.groups?.["code"] === "299")
    .map((match) => stripControls((match.groups?.["text"] ?? "").replaceAll(/\\(?<char>.)/gu, "$<char>")));
}

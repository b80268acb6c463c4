import { readFileSync } from "node:fs";

/** The version in `package.json`: one place, read when asked for. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const value: unknown = JSON.parse(text);
  return typeof value === "object" && value !== null && "version" in value ? String(value.version) : "0.0.0";
}

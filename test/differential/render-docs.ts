import type { KnownDifference } from "./known-differences.ts";
import type { ProxyDifference } from "./proxy-differences.ts";
import type { Fault } from "./scenarios/faults.ts";

/** The section of the docs that tells what differs and why. */
export function differencesTable(known: readonly KnownDifference[]): string {
  const rows = known
    .filter(({ fault }) => fault !== true)
    .map(({ title, envoy, here, why }) => [title, envoy, here, why]);
  return table(["What", "Envoy", "Here", "Why"], rows);
}

/** The section that tells what Envoy does and nobody should. */
export function faultsTable(faults: readonly Fault[], known: readonly KnownDifference[]): string {
  const own = faults.map(({ title, envoy, here, report }) => [
    title,
    OUTCOMES[envoy],
    here,
    report === undefined ? "" : `\`${report}\``,
  ]);
  const listed = known.filter(({ fault }) => fault === true).map(({ title, envoy, here }) => [title, envoy, here, ""]);
  return table(["The filter calls", "Envoy 1.40", "Here", "Report"], [...own, ...listed]);
}

/** The section on the proxy of `wasme run`. */
export function proxyTable(differences: readonly ProxyDifference[]): string {
  return table(
    ["What", "Envoy", "`wasme run`"],
    differences.map(({ title, envoy, here }) => [title, envoy, here]),
  );
}

/** Puts a generated section between its two markers. */
export function withSection(page: string, name: string, content: string): string {
  const marker = new RegExp(`(<!-- ${name}: [^>]*-->\n)[\\s\\S]*?(<!-- end of ${name} -->)`, "u");
  if (!marker.test(page)) throw new Error(`the page has no section "${name}"`);
  return page.replace(marker, (_all, begin: string, end: string) => `${begin}\n${content}\n${end}`);
}

const OUTCOMES: Readonly<Record<Fault["envoy"], string>> = {
  dies: "The process dies.",
  circles: "The callback is called from within itself until the stack is full; the VM is gone, 503.",
  repeats: "The upstream gets the request twice.",
  garbles: "The client gets the response headers twice, over HTTP/1 the second time as a body.",
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(sentence).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line), ""].join("\n");
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`.replaceAll("|", "\\|");
}

import type { Style } from "../../../platform/terminal.ts";
import type { HostReason, HostVerdict } from "../../../wasm/hosts/host-verdict.ts";

/** The verdicts as a table, a mark behind what was only read of, and what to do about refusals below it. */
export function renderVerdicts(verdicts: readonly HostVerdict[], style: Style): string {
  const rows = verdicts.map((verdict) => ({
    title: verdict.asked === undefined ? verdict.title : `${verdict.title} ${verdict.asked}`,
    word: WORDS[verdict.verdict],
    since: sinceOf(verdict),
    why: whyOf(verdict),
    paint: painter(verdict.verdict, style),
  }));
  const width = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));
  const titles = width(["HOST", ...rows.map((row) => row.title)]);
  const sinces = width(["SINCE", ...rows.map((row) => row.since)]);
  const line = (title: string, word: string, since: string, why: string): string =>
    `${title.padEnd(titles)}  ${word}  ${since.padEnd(sinces)}  ${why}`.trimEnd();
  return [
    line("HOST", "LOADS".padEnd(WORD_WIDTH), "SINCE", "WHY"),
    ...rows.map(({ title, word, since, why, paint }) => line(title, paint(word.padEnd(WORD_WIDTH)), since, why)),
    ...(verdicts.some(isRead) ? [style.dim(`${MARK} by reading its sources or documentation, not by running it`)] : []),
    ...hintsOf(verdicts).map((hint) => `Hint: ${hint}`),
  ].join("\n");
}

const WORDS: Readonly<Record<HostVerdict["verdict"], string>> = {
  fits: "yes",
  limited: "partly",
  refused: "no",
  unknown: "unknown",
};
const WORD_WIDTH = 7;
const MARK = "*";

function painter(verdict: HostVerdict["verdict"], style: Style): (text: string) => string {
  if (verdict === "fits") return style.green;
  return verdict === "refused" ? style.red : style.yellow;
}

function isRead({ evidence }: HostVerdict): boolean {
  return evidence === "read";
}

function sinceOf(verdict: HostVerdict): string {
  return `${verdict.since ?? "-"}${isRead(verdict) ? MARK : ""}`;
}

/** What decides, in as few words as do: functions of one kind together. */
function whyOf({ verdict, reasons }: HostVerdict): string {
  const hard = reasons.filter(({ rule }) => ["module", "size", "memory", "layout"].includes(rule));
  const [first, ...others] = hard;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  const parts = [
    ...(first === undefined ? [] : [`${first.message}${more}`]),
    ...listed(reasons, "import", "imports"),
    ...listed(reasons, "start", "its start code calls"),
    ...(verdict === "fits" ? spare(reasons) : listed(reasons, "call", "fails there:")),
    ...listed(reasons, "callback", "not called there:"),
  ];
  return parts.join("; ");
}

/** Calls that fail there and are imported because the SDK imports everything: hardly a reason. */
function spare(reasons: readonly HostReason[]): readonly string[] {
  const count = reasons.filter(({ rule }) => rule === "call").length;
  return count === 0 ? [] : [`its SDK imports ${count} calls that fail there`];
}

/** One that has no version is told in full: there is something wrong with it. */
function listed(reasons: readonly HostReason[], rule: HostReason["rule"], verb: string): readonly string[] {
  const found = reasons.filter((reason) => reason.rule === rule);
  const [first] = found;
  if (first === undefined) return [];
  const more = found.length > MANY ? ` and ${found.length - MANY} more` : "";
  if (rule === "import" && first.since === undefined) {
    return [`${first.message}${found.length > 1 ? ` (and ${found.length - 1} more)` : ""}`];
  }
  const names = found.slice(0, MANY).map(({ subject = "" }) => subject.slice(subject.indexOf(".") + 1));
  return [`${verb} ${names.join(", ")}${more}`];
}

const MANY = 3;

/** Of refusals and doubts, each once, at most a handful. */
function hintsOf(verdicts: readonly HostVerdict[]): readonly string[] {
  const hints = verdicts
    .filter(({ verdict }) => verdict === "refused" || verdict === "unknown")
    .flatMap(({ reasons }) => reasons.flatMap(({ hint }) => (hint === undefined ? [] : [hint])));
  return [...new Set(hints)].slice(0, 5);
}

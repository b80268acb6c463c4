import { type CheckFinding, type FindingContext, firstLine, moduleFinding, type Told } from "./check-finding.ts";
import type { SmokeResult } from "./smoke-result.ts";

/** What kept a filter from running, if anything did; what a look at the bytes told is not said again. */
export function failureFindings(smoke: SmokeResult, context: FindingContext): readonly CheckFinding[] {
  const { failure, outcome } = smoke;
  if (failure === undefined) return [];
  const words = withLogged(firstLine(failure.message), smoke);
  if (outcome === "stuck" || outcome === "crashed") return [goneFinding(outcome, failure.callback, words)];
  if (failure.step === "configure" && (context.config ?? "") === "") {
    const message = `does not accept an empty plugin configuration: ${words}`;
    const hint = "check it with the configuration it will get: wasme check IMAGE --config TEXT or --config @FILE";
    const severity = context.config === undefined ? "warning" : "error";
    return [moduleFinding(severity, { code: "CONFIG_REJECTED", message, hint })];
  }
  const unnamed = failure.step === "root-context" && context.rootId === "" && context.config === undefined;
  return [moduleFinding(unnamed ? "warning" : "error", START_FAILURES[failure.step](words))];
}

/** Envoy's words say that it failed; the filter's last words, where there are some, say why. */
function withLogged(words: string, { failure, lines }: SmokeResult): string {
  const own = lines.map(({ text }) => firstLine(text)).filter((line) => failure?.message.includes(line) !== true);
  const last = own.at(-1);
  return last === undefined ? words : `${words} (it logged: ${last})`;
}

/** For whatever fails because of it, in a build too, which has no such option. */
export const ROOT_ID_HINT = "it may not know the root id: name one it registers: wasme check IMAGE --root-id ID";
const RESTRICTED =
  "before it is started a filter may only log, read the clock, and take random bytes and its environment";

const START_FAILURES: Readonly<Record<NonNullable<SmokeResult["failure"]>["step"], (words: string) => Told>> = {
  load: (words) => ({ code: "FILTER_NOT_STARTED", message: `is refused: ${words}` }),
  instantiate: (words) => ({
    code: "FILTER_NOT_STARTED",
    message: `fails while it is instantiated: ${words}`,
    hint: "look at what runs before main: global variables and static constructors",
  }),
  start: (words) => ({
    code: "FILTER_NOT_STARTED",
    message: `fails in its start code: ${words}`,
    hint: words.includes("restricted_callback") ? RESTRICTED : "what it logged may tell more",
  }),
  "root-context": (words) => ({
    code: "FILTER_NOT_STARTED",
    message: `fails when its root context is made: ${words}`,
    hint: ROOT_ID_HINT,
  }),
  "vm-start": (words) => ({
    code: "VM_CONFIG_REJECTED",
    message: `does not accept the VM configuration: ${words}`,
    hint: words.includes("root id")
      ? ROOT_ID_HINT
      : "wasme check IMAGE --vm-config TEXT or --vm-config @FILE gives it one",
  }),
  configure: (words) => ({
    code: "CONFIG_REJECTED",
    message: `does not accept the plugin configuration: ${words}`,
    hint: "correct the configuration; what the filter logged may tell more",
  }),
  streams: (words) => ({ code: "FILTER_FAILED", message: `fails: ${words}` }),
};

function goneFinding(outcome: "stuck" | "crashed", callback: string | undefined, words: string): CheckFinding {
  const where = callback ?? "its start";
  const what = outcome === "stuck" ? `does not return from ${where}` : `ended its thread in ${where}`;
  const hint = "look there for a loop that does not end";
  return moduleFinding("error", { code: "FILTER_STUCK", message: `${what}: ${words}`, hint });
}

import { WasmeError } from "../domain/errors.ts";
import type { ForegroundResult } from "./run-foreground.ts";

/** Remembers the last lines of a program, to say afterwards why it ended. */
export interface LineMemory {
  add(line: string): void;
  lines(): readonly string[];
}

const KEPT_LINES = 200;

export function rememberLines(): LineMemory {
  const kept: string[] = [];
  return {
    add: (line) => {
      kept.push(line);
      if (kept.length > KEPT_LINES) kept.shift();
    },
    lines: () => kept,
  };
}

/** What an Envoy or a container engine that ended on its own has to say for itself. */
export function envoyFailure(result: ForegroundResult, lines: readonly string[], engine: string | undefined): Error {
  const details = { exitCode: result.exitCode ?? null, lastLines: lines.slice(-20) };
  const last = lines.findLast((line) => line.trim() !== "");
  if (engine !== undefined && ENGINE_CODES.has(result.exitCode ?? 0)) {
    const own = lines.find((line) => line.startsWith(`${engine}:`) || line.startsWith("Error"));
    const hint = `check that ${engine} works and can get the image`;
    return new WasmeError("failed", "CONTAINER_FAILED", `${engine} ${ended(result)}${quoted(own ?? last)}`, {
      hint,
      details,
    });
  }
  const cause = CAUSES.find(({ pattern }) => lines.some((line) => pattern.test(line)));
  const telling = cause === undefined ? last : lines.find((line) => cause.pattern.test(line));
  const hint = cause === undefined ? {} : { hint: cause.hint };
  return new WasmeError("failed", "ENVOY_FAILED", `Envoy ${ended(result)}${quoted(telling)}`, { ...hint, details });
}

/** Container engines keep these codes for failures of their own (docker run, "Exit status"). */
const ENGINE_CODES: ReadonlySet<number> = new Set([125, 126, 127]);

function ended(result: ForegroundResult): string {
  if (result.exitCode !== undefined) return `exited with code ${result.exitCode}`;
  return `was ended by ${result.endedBy ?? "a signal"}`;
}

/** A log line without Envoy's time stamp and thread number. */
function quoted(line: string | undefined): string {
  if (line === undefined) return "";
  return `: ${line.replace(/^\[\d{4}-\d\d-\d\d [\d:.]+\]\[\d+\]/u, "").slice(0, 500)}`;
}

/** Log lines that name the cause, the most telling first. */
const CAUSES: readonly { readonly pattern: RegExp; readonly hint: string }[] = [
  {
    pattern: /Address already in use/u,
    hint: "another program holds the port: end it, or give a --bootstrap with another one",
  },
  {
    pattern: /missing import|import type mismatch|Bad function signature|unknown Proxy-Wasm ABI/u,
    hint: 'see what the module needs with "wasme inspect"',
  },
  { pattern: /Missing root context factory|root id/iu, hint: "name the filter's root id with --root-id" },
  {
    pattern: /Function: proxy_on_\w+ failed|Failed to configure base Wasm plugin/u,
    hint: "the filter refused its configuration: check --config and --root-id",
  },
  { pattern: /error initializing config|invalid JSON|Proto constraint/u, hint: "correct the bootstrap" },
];

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "../domain/digest.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { writeFileAtomic } from "../platform/atomic-file.ts";
import type { CheckFinding } from "./check-finding.ts";

/** What was found, and whether the next look would find the same. */
export interface Found {
  readonly findings: readonly CheckFinding[];
  readonly lasting: boolean;
}

/**
 * Gives the findings of an earlier look at the same thing by the same wasme and the same Node, else looks and keeps
 * them in `$WASME_HOME/cache/findings.json`. A cache that cannot be read or written only costs time. Rejects with what
 * `look` throws.
 *
 * @param home `$WASME_HOME`; nothing is remembered without it
 * @param about all the findings hang on: the module's digest, and how it is run
 */
export async function rememberFindings(
  home: string | undefined,
  about: unknown,
  look: () => Promise<Found>,
): Promise<readonly CheckFinding[]> {
  if (home === undefined) return (await look()).findings;
  const file = join(home, "cache", "findings.json");
  const key = digestOf(JSON.stringify([about, await ownStamp()]));
  const kept = await readKept(file);
  const known = kept[key];
  if (known !== undefined) return known;
  const { findings, lasting } = await look();
  if (lasting) {
    // Read anew: another process may have written in the meantime. What one of two loses is found out again.
    const others = Object.entries(await readKept(file)).filter(([other]) => other !== key);
    const all = Object.fromEntries([...others.slice(1 - MOST), [key, findings]]);
    await writeFileAtomic(file, `${JSON.stringify(all)}\n`).catch(() => undefined);
  }
  return findings;
}

/** Tells one wasme and Node from another. A package manager gives the files of all versions the same time. */
async function ownStamp(): Promise<readonly unknown[]> {
  const [own, manifest] = await Promise.all([
    stat(fileURLToPath(import.meta.url)),
    readFile(new URL("../../package.json", import.meta.url), "utf8"),
  ]);
  return [own.mtimeMs, digestOf(manifest), process.version];
}

async function readKept(file: string): Promise<Readonly<Record<string, readonly CheckFinding[]>>> {
  const value = tryParseJson(await readFile(file, "utf8").catch(() => ""));
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, CheckFinding[]] => isFindings(entry[1])),
  );
}

function isFindings(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (item) =>
        isObject(item) &&
        typeof item["code"] === "string" &&
        (item["severity"] === "error" || item["severity"] === "warning") &&
        typeof item["message"] === "string" &&
        (item["hint"] === undefined || typeof item["hint"] === "string"),
    )
  );
}

/** Entries kept, the newest. */
const MOST = 64;

import { didYouMean } from "../../domain/did-you-mean.ts";
import { usageError } from "../../domain/errors.ts";
import { HOST_RULES } from "./host-rules.ts";
import { compareVersions, HOST_NAMES } from "./host-verdict.ts";
import type { AskedHost } from "./judge-hosts.ts";

/** Reads `envoy`, `envoy@1.34` or `istio@1.26.2`. Throws `HOST_UNKNOWN` or `HOST_VERSION_INVALID` (usage). */
export function parseHost(text: string): AskedHost {
  const [name = "", version, ...more] = text.split("@");
  const host = HOST_NAMES.find((known) => known === name);
  if (host === undefined || more.length > 0) {
    const meant = didYouMean(name, HOST_NAMES);
    const hint = meant === undefined ? `known are ${HOST_NAMES.join(", ")}; envoy@1.34 asks for a version` : undefined;
    throw usageError("HOST_UNKNOWN", `there is no host ${JSON.stringify(text)} to check for`, {
      hint: hint ?? `did you mean ${meant ?? ""}?`,
    });
  }
  if (version === undefined) return { host };
  const { oldest, newest } = HOST_RULES[host].history;
  if (oldest === "") {
    throw usageError("HOST_VERSION_INVALID", `${HOST_RULES[host].title} has no versions`, { hint: `--host ${host}` });
  }
  const number = version.replace(/^v/u, "");
  if (!VERSION.test(number)) {
    throw usageError("HOST_VERSION_INVALID", `${JSON.stringify(version)} is no version of ${HOST_RULES[host].title}`, {
      hint: `write it like ${host}@${newest}`,
    });
  }
  return { host, version: number };
}

/** Whether a version is newer than all that is known of its host: it is judged as the newest one. */
export function isBeyondKnown({ host, version }: AskedHost): boolean {
  const { newest } = HOST_RULES[host].history;
  return version !== undefined && newest !== "" && compareVersions(minorOf(version), newest) > 0;
}

function minorOf(version: string): string {
  return version.split(".", 2).join(".");
}

const VERSION = /^\d{1,4}(?:[.-]\d{1,3}){1,2}$/u;

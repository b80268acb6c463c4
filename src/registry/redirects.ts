import { isIPv4, isIPv6 } from "node:net";
import { WasmeError } from "../domain/errors.ts";
import { redact } from "../domain/redact.ts";

/**
 * Where a `location` leads, checked: only http and https, never from https to http (the same host is upgraded), never
 * to link-local or metadata addresses unless the registry itself lives there. Throws `REDIRECT_REFUSED` (failed).
 */
export function redirectTarget(location: string, from: URL, home: URL): URL {
  if (!URL.canParse(location, from.href)) throw redirectRefused(from, location, "it is not a URL");
  const target = new URL(location, from);
  target.username = "";
  target.password = "";
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw redirectRefused(from, location, "only http and https are followed");
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    if (target.host !== from.host) throw redirectRefused(from, location, "it would leave TLS");
    target.protocol = "https:"; // a registry behind a TLS proxy that does not know about it
  }
  if (isMetadataHost(target.hostname) && target.hostname !== home.hostname) {
    throw redirectRefused(from, location, "it leads to a link-local address");
  }
  return target;
}

/** True for addresses only reachable from the machine's own link: cloud metadata services live there. */
export function isMetadataHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/gu, "").toLowerCase();
  if (METADATA_NAMES.has(host)) return true;
  if (isIPv4(host)) return host.startsWith("169.254.") || host === "100.100.100.200";
  if (!isIPv6(host)) return false;
  return /^fe[89ab]/u.test(host) || host === "fd00:ec2::254" || host.startsWith("::ffff:a9fe:");
}

const METADATA_NAMES: ReadonlySet<string> = new Set(["metadata.google.internal", "metadata.goog", "instance-data"]);

/** The error for a redirect that is not followed. */
export function redirectRefused(from: URL, location: string, why: string): Error {
  const to = redact(location.slice(0, 200));
  return new WasmeError("failed", "REDIRECT_REFUSED", `${from.host} redirects to ${to}: not followed, ${why}`, {
    hint: "this is a fault or an attack on the side of the registry: tell its operator",
  });
}

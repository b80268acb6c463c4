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

/**
 * True for addresses only reachable from the machine's own link, and for the metadata services of clouds, in whatever way
 * they are written. `hostname` as a `URL` has it. What a name resolves to is not looked at.
 */
export function isMetadataHost(hostname: string): boolean {
  const host = hostname
    .replace(/^\[|\]$/gu, "")
    .replace(/\.$/u, "")
    .toLowerCase();
  if (METADATA_NAMES.has(host)) return true;
  const v4 = isIPv4(host) ? host : embedded(host);
  if (v4 !== undefined) return v4.startsWith("169.254.") || METADATA_V4.has(v4);
  return isIPv6(host) && (/^fe[89ab][0-9a-f]:/u.test(host) || METADATA_V6.has(host));
}

/** The IPv4 address in an IPv6 one: mapped, translated, compatible, or the NAT64 prefix (RFC 4291, 6052, 6145). */
function embedded(host: string): string | undefined {
  const [, high = "", low = ""] =
    /^(?:::|::ffff:|::ffff:0:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/u.exec(host) ?? [];
  if (high === "") return undefined;
  return [high, low]
    .map((part) => Number.parseInt(part, 16))
    .map((part) => `${part >> 8}.${part & 255}`)
    .join(".");
}

const METADATA_NAMES: ReadonlySet<string> = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);
/** Alibaba, Azure, Oracle. */
const METADATA_V4: ReadonlySet<string> = new Set(["100.100.100.200", "168.63.129.16", "192.0.0.192"]);
/** Amazon, Google. */
const METADATA_V6: ReadonlySet<string> = new Set(["fd00:ec2::254", "fd20:ce::254"]);

/** The error for a redirect that is not followed. */
export function redirectRefused(from: URL, location: string, why: string): Error {
  const to = redact(location.slice(0, 200).replace(/\?.*$/su, "?***")); // whatever signs it
  return new WasmeError("failed", "REDIRECT_REFUSED", `${from.host} redirects to ${to}: not followed, ${why}`, {
    hint: "this is a fault or an attack on the side of the registry: tell its operator",
  });
}

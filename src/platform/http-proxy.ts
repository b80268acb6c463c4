import { BlockList, isIP } from "node:net";
import { usageError } from "../domain/errors.ts";
import type { Env } from "./env.ts";
import { isLoopbackHost } from "./http-loopback.ts";

/** A proxy and the header that opens it. */
export interface HttpProxy {
  /** Without user info. */
  readonly url: URL;
  /** `proxy-authorization` when the variable held user info. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The proxy for `url` by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` (lower case wins, as in curl), or `undefined`.
 * Loopback hosts never go to a proxy. Throws `PROXY_INVALID` (usage) for a value that is no http(s) URL.
 */
export function findProxy(url: URL, env: Env): HttpProxy | undefined {
  const scheme = url.protocol === "https:" ? "https" : "http";
  const value = variable(env, `${scheme}_proxy`);
  if (value === undefined || isLoopbackHost(url.hostname) || isExempt(url, variable(env, "no_proxy"))) return undefined;
  const text = value.includes("://") ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  const headers = proxy && authorisation(proxy);
  if (proxy === undefined || headers === undefined || !/^https?:$/u.test(proxy.protocol)) {
    throw usageError("PROXY_INVALID", `${scheme.toUpperCase()}_PROXY is not an http or https URL`, {
      hint: `set ${scheme.toUpperCase()}_PROXY to http://HOST:PORT, or list the registry in NO_PROXY`,
    });
  }
  return { url: new URL(proxy.origin), headers };
}

function variable(env: Env, name: string): string | undefined {
  const value = env[name] ?? env[name.toUpperCase()];
  return value === undefined || value.trim() === "" ? undefined : value.trim();
}

/** `undefined` for user info that is not percent-encoded as it should be. */
function authorisation(proxy: URL): Record<string, string> | undefined {
  if (proxy.username === "" && proxy.password === "") return {};
  try {
    const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    return { "proxy-authorization": `Basic ${Buffer.from(pair).toString("base64")}` };
  } catch {
    return undefined;
  }
}

/** Entries are `*`, `host`, `.suffix`, `host:port`, an address or `address/bits`; a host also covers its subdomains. */
function isExempt(url: URL, list: string | undefined): boolean {
  const host = url.hostname.replace(/^\[|\]$/gu, "").toLowerCase();
  const port = url.port === "" ? (url.protocol === "https:" ? "443" : "80") : url.port;
  return (list ?? "").split(/[\s,]+/u).some((entry) => entry !== "" && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inNetwork(entry, host);
  const cut = /^(?<name>\[[^\]]+\]|[^:]+)(?::(?<port>\d+))?$/u.exec(entry)?.groups;
  const name = (cut?.["name"] ?? entry).replace(/^\[|\]$/gu, "").replace(/^\*?\./u, "");
  if (cut?.["port"] !== undefined && cut["port"] !== port) return false;
  return host === name || (isIP(host) === 0 && host.endsWith(`.${name}`));
}

function inNetwork(entry: string, host: string): boolean {
  const [address = "", bits = ""] = entry.split("/");
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/u.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const network = new BlockList();
  network.addSubnet(address, Number(bits), family === 4 ? "ipv4" : "ipv6");
  return network.check(host, family === 4 ? "ipv4" : "ipv6");
}

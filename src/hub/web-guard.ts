import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { RegistryRefusal } from "./registry-reply.ts";

/** Throws a {@link RegistryRefusal} for what a browser sends on behalf of a page it should not trust. */
export type WebGuard = (request: IncomingMessage) => void;

/** What the guard has to know of the server. */
export interface GuardedServer {
  /** Anybody may do everything, and only this machine reaches it: any page in its browser would. */
  readonly trustsMachine: boolean;
  /** `host[:port]` it was given as its name. */
  readonly name: string | undefined;
}

/**
 * Keeps web pages from using a registry through the browser of somebody who reaches it: what changes something must not
 * come from another site; and a server that trusts its machine answers to no name that a stranger may point at it (DNS
 * rebinding). Clients that are no browsers send neither `origin` nor such names.
 */
export function webGuard({ trustsMachine, name }: GuardedServer): WebGuard {
  const names = name === undefined ? [] : [name];
  const own = names.map(hostOf);
  const isOurName = (host: string): boolean => host === "" || isLocalName(hostOf(host)) || own.includes(hostOf(host));
  return ({ method = "", headers }) => {
    const { host = "", origin } = headers;
    if (trustsMachine && !isOurName(host)) {
      const hint = "start it with --name HOST to have it answer to that";
      throw new RegistryRefusal(403, "DENIED", `this registry is not called ${JSON.stringify(host)}: ${hint}`);
    }
    if (READS.has(method)) return;
    const isOwn = origin === undefined || [host, ...names].some((each) => isAt(origin, each));
    if (isOwn && headers["sec-fetch-site"] !== "cross-site") return;
    throw new RegistryRefusal(403, "DENIED", "web pages of other sites may change nothing here");
  };
}

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Without port, trailing dot and brackets; as a `URL` writes it. */
function hostOf(authority: string): string {
  const url = `http://${authority}/`;
  if (!URL.canParse(url) || new URL(url).username !== "") return "";
  return new URL(url).hostname.replace(/^\[|\]$/gu, "").replace(/\.$/u, "");
}

/** True for addresses, for names of one label, and for those under domains nobody can register. */
function isLocalName(host: string): boolean {
  return isIP(host) !== 0 || /^(?:[^.]+|.+\.(?:localhost|local|internal|test))$/u.test(host);
}

function isAt(origin: string, authority: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === authority.toLowerCase();
}

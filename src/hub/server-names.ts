import { authority } from "../platform/http-server.ts";

/** How a registry is called in image references, the canonical name first: `localhost:5000`, `127.0.0.1:5000`, … */
export type ServerNames = readonly [string, ...string[]];

/**
 * The names of a server that listens on `host:port`. A loopback address has several, and an image stored or pushed
 * under one must be found under the others; what is pushed is kept under `localhost:PORT`, which every client takes
 * for plain http. A server on all addresses is reached on the loopback ones too.
 */
export function serverNames(host: string, port: number, given?: string): ServerNames {
  const own = authority(host, port);
  const names = isLoopback(host) || ANY.has(host) ? LOOPBACK.map((name) => `${name}:${port}`) : [];
  const [first = own, ...rest] = new Set([...(given === undefined ? [] : [given]), ...names, own]);
  return [first, ...rest];
}

/** True for an address only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/u.test(host);
}

const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];
const ANY: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

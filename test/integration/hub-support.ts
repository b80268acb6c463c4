import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { RegistryServerOptions } from "../../src/hub/registry-server.ts";
import { createServerIdentity } from "../components/certificates.ts";
import { type RawRequest, rawRequest, type RawResponse } from "../components/raw-http.ts";
import { alice, type RegistryUser, registryUsers } from "../components/users.ts";
import { type HubServer, startHub } from "../support/hub.ts";

/** How a registry is run: what the spec says of content must hold in every way. */
export type HubMode = "open" | "basic" | "token" | "TLS and token";

export const HUB_MODES: readonly HubMode[] = ["open", "basic", "token", "TLS and token"];

/** A registry to be asked, ours or another. */
export interface SpecTarget {
  readonly url: string;
  readonly user: RegistryUser | undefined;
  /** PEM of the authority to trust. */
  readonly ca: string | undefined;
}

/** Our server in one of its modes, as its user sees it. */
export interface ModeServer extends SpecTarget {
  readonly hub: HubServer;
  close(): Promise<void>;
}

export async function startMode(mode: HubMode, more: Partial<RegistryServerOptions> = {}): Promise<ModeServer> {
  let ca: string | undefined;
  const hub = await startHub(async (dir) => {
    const auth = mode === "open" ? {} : { auth: { mode: authOf(mode), htpasswd: writeUsers(dir) } };
    if (mode !== "TLS and token") return { ...auth, ...more };
    const identity = await createServerIdentity(dir, "127.0.0.1");
    ca = await readFile(identity.caFile, "utf8");
    const tls = { cert: await readFile(identity.certificate, "utf8"), key: await readFile(identity.key, "utf8") };
    return { ...auth, tls, ...more };
  });
  return { hub, url: hub.url, user: mode === "open" ? undefined : alice, ca, close: () => hub.close() };
}

function authOf(mode: HubMode): "basic" | "token" {
  return mode === "basic" ? "basic" : "token";
}

/** The file of the test's users; its path. */
export function writeUsers(dir: string): string {
  const path = join(dir, "users");
  writeFileSync(path, registryUsers.map(({ htpasswd }) => `${htpasswd}\n`).join(""));
  return path;
}

/** What a request may carry. */
export type Ask = Omit<RawRequest, "url" | "method" | "ca">;

/** Sends requests as a client of the token specification does: asked who it is, it says so and repeats them. */
export interface SpecClient {
  ask(method: string, location: string, more?: Ask): Promise<RawResponse>;
}

export function specClient({ url, user, ca }: SpecTarget): SpecClient {
  const trust = ca === undefined ? {} : { ca };
  const known = new Map<string, string>();
  const authorize = async (challenge: string): Promise<string> => {
    const secret = Buffer.from(`${user?.username ?? ""}:${user?.password ?? ""}`).toString("base64");
    if (challenge.startsWith("Basic ")) return `Basic ${secret}`;
    const {
      realm = "",
      service = "",
      scope = "",
    } = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/gu)].map(([, key, value]) => [key, value]),
    ) as Record<string, string>;
    const query = new URLSearchParams({ service, ...(scope === "" ? {} : { scope }) });
    const headers = { authorization: `Basic ${secret}` };
    const answer = await rawRequest({ url: `${realm}?${query.toString()}`, headers, ...trust });
    expect(answer.status, answer.text).toBe(200);
    return `Bearer ${(JSON.parse(answer.text) as { readonly token: string }).token}`;
  };
  return {
    ask: async (method, location, more = {}) => {
      const target = new URL(location, url).href;
      // One token for each repository and kind of request, as the scopes of the challenges are.
      const key = `${target.replace(/\/(?:blobs|manifests|tags|referrers)\/.*$/u, "")} ${kindOf(method)}`;
      const send = async (authorization?: string): Promise<RawResponse> => {
        const headers = { ...more.headers, ...(authorization === undefined ? {} : { authorization }) };
        return await rawRequest({ url: target, method, ...more, headers, ...trust });
      };
      const first = await send(known.get(key));
      if (first.status !== 401 || user === undefined) return first;
      const authorization = await authorize(first.headers["www-authenticate"] ?? "");
      known.set(key, authorization);
      return await send(authorization);
    },
  };
}

function kindOf(method: string): string {
  if (method === "GET" || method === "HEAD") return "pull";
  return method === "DELETE" ? "delete" : "push";
}

/** The codes of an error answer; it must have the form of the spec. */
export function codesOf(answer: RawResponse): readonly string[] {
  expect(answer.headers["content-type"]).toBe("application/json");
  const { errors } = JSON.parse(answer.text) as {
    readonly errors: readonly { readonly code: string; message: string }[];
  };
  for (const { code, message } of errors) {
    expect(code).toMatch(/^[A-Z_]+$/u);
    expect(message).not.toBe("");
  }
  return [...new Set(errors.map(({ code }) => code))];
}

/** A location with one more parameter, whatever it has already. */
export function withQuery(location: string, parameters: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams(parameters).toString();
  return `${location}${location.includes("?") ? "&" : "?"}${query}`;
}

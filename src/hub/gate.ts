import type { IncomingMessage } from "node:http";
import type { Access } from "./access-token.ts";
import { RegistryRefusal } from "./registry-reply.ts";

/** Lets requests in or refuses them. */
export interface Gate {
  /**
   * Who asks, `undefined` for nobody in particular. `wanted` is empty for the API's base, which asks everybody who they
   * are: clients learn there how to log in. Throws `UNAUTHORIZED`, `DENIED`.
   */
  admit(request: IncomingMessage, wanted: readonly Access[]): Promise<string | undefined>;
  /** The token endpoint's path, if there is one. */
  readonly tokenPath?: string;
  /** Answers the token endpoint. */
  grant?(request: IncomingMessage, query: URLSearchParams): Promise<object>;
}

/** Lets everybody do everything. */
export const openGate: Gate = { admit: async () => undefined };

/** User name and password of a request (RFC 7617); `undefined` when it carries none, `"broken"` when they are none. */
export function basicCredentials(
  request: IncomingMessage,
): { readonly username: string; readonly password: string } | undefined | "broken" {
  const header = request.headers.authorization;
  if (header === undefined) return undefined;
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]+)$/iu.exec(header) ?? [];
  const plain = encoded === undefined ? "" : Buffer.from(encoded, "base64").toString();
  const colon = plain.indexOf(":");
  if (colon < 1) return "broken";
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

/** True when nothing but reading is wanted. */
export function onlyPulls(wanted: readonly Access[]): boolean {
  return (
    wanted.length > 0 && wanted.every(({ type, actions }) => type === "repository" && actions.join(",") === "pull")
  );
}

/** 401 with a challenge (RFC 9110 section 11.6.1). */
export function unauthorized(message: string, challenge: string, wanted: readonly Access[] = []): RegistryRefusal {
  return new RegistryRefusal(401, "UNAUTHORIZED", message, {
    headers: { "www-authenticate": challenge },
    details: [wanted.length === 0 ? null : wanted],
  });
}

/** `Scheme key="value",…` with quotes and backslashes in values escaped. */
export function challengeOf(scheme: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([key, value]) => {
    return value === undefined ? [] : [`${key}="${value.replaceAll(/["\\]/gu, String.raw`\$&`)}"`];
  });
  return `${scheme} ${given.join(",")}`;
}

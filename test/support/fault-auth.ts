import { randomUUID } from "node:crypto";
import type { FaultExchange } from "./fault-exchange.ts";

/** How the registry wants to know who is there. */
export type AuthScript =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  | {
      readonly kind: "bearer";
      readonly username: string;
      readonly password: string;
      /** Accepted in a POST with `grant_type=refresh_token`. */
      readonly refreshToken?: string;
      /** Requests a token is good for; then it is an `invalid_token`. */
      readonly uses?: number;
      /** Name of the field in the answer. */
      readonly field?: "token" | "access_token";
      /** Statuses of a POST to the token endpoint; it is served when absent. */
      readonly postStatus?: number;
      /** Asked for in the challenge beside what the path implies. */
      readonly extraScope?: string;
      /** Anonymous tokens are given for pulling. */
      readonly anonymousPull?: boolean;
    };

/** Lets requests in or answers them itself. */
export interface Gate {
  /** True when it answered. */
  stops(exchange: FaultExchange): boolean;
}

/** A gate of the kind; `realm` is where tokens are given. */
export function createGate(script: AuthScript, realm: string): Gate {
  return script.kind === "basic" ? basicGate(script) : bearerGate(script, realm);
}

function basicGate(script: AuthScript & { kind: "basic" }): Gate {
  const wanted = basic(script);
  return {
    stops: ({ request, response }) => {
      if (request.headers.authorization === wanted) return false;
      request.resume();
      response.writeHead(401, { "www-authenticate": 'Basic realm="test"', "content-length": 0 }).end();
      return true;
    },
  };
}

type Bearer = AuthScript & { kind: "bearer" };

function bearerGate(script: Bearer, realm: string): Gate {
  const tokens = new Map<string, { scopes: readonly string[]; left: number }>();
  return {
    stops: (exchange) => {
      const { request, response } = exchange;
      const url = new URL(request.url ?? "/", "http://registry");
      if (url.pathname === "/token") {
        void giveToken(exchange, script, url, tokens);
        return true;
      }
      const token = tokens.get(request.headers.authorization?.replace(/^Bearer /u, "") ?? "");
      const wanted = scopeOf(url.pathname, request.method ?? "");
      const scopes = [wanted, script.extraScope].filter((scope) => scope !== undefined);
      if (token !== undefined && token.left > 0 && scopes.every((scope) => covers(token.scopes, scope))) {
        token.left -= 1;
        return false;
      }
      request.resume();
      const error = token === undefined ? "" : `,error="${token.left > 0 ? "insufficient_scope" : "invalid_token"}"`;
      const challenge = `Bearer realm="${realm}",service="test",scope="${scopes.join(" ")}"${error}`;
      response.writeHead(401, { "www-authenticate": `Negotiate, ${challenge}`, "content-length": 0 }).end();
      return true;
    },
  };
}

interface Asked {
  readonly posted: boolean;
  readonly scopes: readonly string[];
  /** Whether the account proved itself. */
  readonly known: boolean;
}

async function giveToken(
  { request, response }: FaultExchange,
  script: Bearer,
  url: URL,
  tokens: Map<string, { scopes: readonly string[]; left: number }>,
): Promise<void> {
  const asked = request.method === "POST" ? await askedByPost(request, script) : askedByGet(request, url, script);
  const anonymous = script.anonymousPull === true && request.headers.authorization === undefined;
  const refusal = asked.known || anonymous ? 200 : 401;
  const status = asked.posted ? (script.postStatus ?? refusal) : refusal;
  if (status !== 200) {
    response.writeHead(status, { "content-length": 0 }).end();
    return;
  }
  const token = randomUUID();
  const scopes = asked.known ? asked.scopes : asked.scopes.map((scope) => scope.replace(/:[^:]*$/u, ":pull"));
  tokens.set(token, { scopes, left: script.uses ?? Number.POSITIVE_INFINITY });
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ [script.field ?? "token"]: token, expires_in: 300 }));
}

async function askedByPost(request: FaultExchange["request"], script: Bearer): Promise<Asked> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  const form = new URLSearchParams(text);
  const known = form.get("grant_type") === "refresh_token" && form.get("refresh_token") === script.refreshToken;
  return { posted: true, scopes: (form.get("scope") ?? "").split(" "), known };
}

function askedByGet(request: FaultExchange["request"], url: URL, script: Bearer): Asked {
  const accepted = [basic(script), basic({ username: "", password: script.refreshToken ?? "none" })];
  const known = accepted.includes(request.headers.authorization ?? "");
  return { posted: false, scopes: url.searchParams.getAll("scope"), known };
}

function basic({ username, password }: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function scopeOf(path: string, method: string): string | undefined {
  const repository = /^\/v2\/(.+?)\/(?:blobs|manifests|tags)\//u.exec(path)?.[1];
  if (repository === undefined) return undefined;
  return `repository:${repository}:${method === "GET" || method === "HEAD" ? "pull" : "pull,push"}`;
}

function covers(have: readonly string[], wanted: string): boolean {
  const cut = wanted.lastIndexOf(":");
  const resource = wanted.slice(0, cut);
  const actions = have
    .filter((scope) => scope.startsWith(`${resource}:`))
    .flatMap((scope) => scope.slice(cut + 1).split(","));
  return wanted
    .slice(cut + 1)
    .split(",")
    .every((action) => actions.includes(action));
}

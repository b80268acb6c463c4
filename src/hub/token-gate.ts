import type { IncomingMessage } from "node:http";
import { collect } from "../domain/content.ts";
import { type Access, covers, formatScopes, parseScopes, TokenSigner } from "./access-token.ts";
import { basicCredentials, challengeOf, type Gate, unauthorized } from "./gate.ts";
import type { UserFile } from "./htpasswd.ts";
import { RegistryRefusal } from "./registry-reply.ts";

/** How tokens are given out. */
export interface TokenGateOptions {
  readonly users: UserFile;
  /** Requests without credentials get a token to pull. */
  readonly anonymousPull: boolean;
  /** Seconds a token is good for. */
  readonly lifeSeconds: number;
  /** `http` or `https`, as the server itself speaks it. */
  readonly scheme: string;
  /** Where the server listens, for clients that name no host. */
  readonly authority: string;
}

/**
 * Bearer tokens after the token specification of Docker's registry: a request without one is told where to get it, and
 * the server is its own token server (GET with Basic; POST with `grant_type=password` or `refresh_token`). Every user
 * may do everything.
 */
export function tokenGate(options: TokenGateOptions): Gate {
  const signer = new TokenSigner();
  return {
    tokenPath: PATH,
    admit: async (request, wanted) => {
      const refuse = (message: string, error?: string): RegistryRefusal => {
        const scope = wanted.length === 0 ? undefined : formatScopes(wanted);
        const challenge = challengeOf("Bearer", { realm: realmOf(request, options), service: SERVICE, scope, error });
        return unauthorized(message, challenge, wanted);
      };
      const header = request.headers.authorization;
      if (header === undefined) throw refuse("authentication is required");
      const claims = signer.read(/^bearer +(\S+)$/iu.exec(header)?.[1] ?? "", "access");
      if (claims === undefined) throw refuse("the token is not valid, or too old", "invalid_token");
      if (!covers(claims.access, wanted)) throw refuse("the token does not allow that", "insufficient_scope");
      return claims.user === "" ? undefined : claims.user;
    },
    grant: async (request, query) => {
      const asked = request.method === "POST" ? await postedRequest(request) : query;
      const user = await userOf({ request, asked, signer }, options);
      return await answer({ asked, user, signer }, options);
    },
  };
}

const PATH = "/token";
const SERVICE = "wasme-registry";
/** Seconds. */
const REFRESH_LIFE = 30 * 24 * 60 * 60;
/** Bytes of a posted form. */
const MAX_FORM = 64 * 1024;

/** By the name the client called us: it may be one only a proxy in between knows. */
function realmOf({ headers }: IncomingMessage, { scheme, authority }: TokenGateOptions): string {
  const proxied = headers["x-forwarded-proto"] === "https" ? "https" : scheme;
  const host = headers.host ?? "";
  return `${proxied}://${/^[A-Za-z0-9._:[\]-]+$/u.test(host) ? host : authority}${PATH}`;
}

async function postedRequest(request: IncomingMessage): Promise<URLSearchParams> {
  const tooLong = (): Error => new RegistryRefusal(413, "UNSUPPORTED", "the form is too long");
  const body = await collect(request.iterator({ destroyOnReturn: false }), MAX_FORM, tooLong);
  return new URLSearchParams(Buffer.from(body).toString());
}

interface Asking {
  readonly request: IncomingMessage;
  readonly asked: URLSearchParams;
  readonly signer: TokenSigner;
}

/** Who asks for a token; `""` for nobody in particular. Throws `UNAUTHORIZED`. */
async function userOf({ request, asked, signer }: Asking, options: TokenGateOptions): Promise<string> {
  const { users, anonymousPull } = options;
  const given = request.method === "POST" ? postedSecret(asked) : basicCredentials(request);
  if (given === undefined) {
    if (anonymousPull) return "";
    throw unauthorized("authentication is required", CHALLENGE);
  }
  const wrong = unauthorized("the user name, password or refresh token is wrong", CHALLENGE);
  if (given === "broken") throw wrong;
  if ("password" in given) {
    if (await users.verify(given.username, given.password)) return given.username;
    throw wrong;
  }
  const claims = signer.read(given.refresh, "refresh");
  const now = claims && (await users.fingerprint(claims.user));
  // Whoever changes a password wants those out who know the old one.
  if (claims !== undefined && now !== undefined && covers(claims.access, [passwordOf(now)])) return claims.user;
  throw wrong;
}

const CHALLENGE = challengeOf("Basic", { realm: SERVICE, charset: "UTF-8" });

function postedSecret(
  form: URLSearchParams,
): { readonly username: string; readonly password: string } | { readonly refresh: string } {
  const grant = form.get("grant_type");
  if (grant === "refresh_token") return { refresh: form.get("refresh_token") ?? "" };
  if (grant === "password") return { username: form.get("username") ?? "", password: form.get("password") ?? "" };
  throw new RegistryRefusal(400, "UNSUPPORTED", `unknown grant_type ${JSON.stringify(grant)}`);
}

interface Granting {
  readonly asked: URLSearchParams;
  readonly user: string;
  readonly signer: TokenSigner;
}

async function answer({ asked, user, signer }: Granting, { lifeSeconds, users }: TokenGateOptions): Promise<object> {
  const wanted = asked.getAll("scope").flatMap(parseScopes);
  const access = user === "" ? wanted.flatMap(pullOnly) : wanted;
  const token = signer.sign({ use: "access", user, access }, lifeSeconds);
  const offline = asked.get("offline_token") === "true" || asked.get("access_type") === "offline";
  const password = offline && user !== "" ? await users.fingerprint(user) : undefined;
  const refresh =
    password === undefined
      ? {}
      : { refresh_token: signer.sign({ use: "refresh", user, access: [passwordOf(password)] }, REFRESH_LIFE) };
  const issued = new Date().toISOString();
  return {
    token,
    access_token: token,
    expires_in: lifeSeconds,
    issued_at: issued,
    scope: formatScopes(access),
    ...refresh,
  };
}

/** What a refresh token is for: the password it was got by. */
function passwordOf(fingerprint: string): Access {
  return { type: "password", name: fingerprint, actions: ["use"] };
}

function pullOnly({ type, name, actions }: Access): readonly Access[] {
  return type === "repository" && actions.includes("pull") ? [{ type, name, actions: ["pull"] }] : [];
}

import { createSign, randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificates.ts";
import { registryUsers, type RegistryUser } from "./users.ts";

/** How the token server behaves; every switch is a behaviour of some real registry's server. */
export interface TokenServerBehaviour {
  /** Life of an access token in seconds (default 60). */
  readonly ttlSeconds?: number;
  /** Answers every POST with 405, as servers without OAuth2 do. */
  readonly rejectPost?: boolean;
  /** Name of the token's field in the answer (default `token`). */
  readonly field?: "token" | "access_token";
  /** Whether a request without credentials gets a token to pull (default false: 401). */
  readonly anonymousPull?: boolean;
}

/** What one request asked for and got, without secrets. */
interface TokenRequest {
  readonly method: string;
  readonly user: string | undefined;
  readonly grantType: string | undefined;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly status: number;
}

/** A running token server. */
export interface TokenServer {
  /** Address of the token endpoint, for a challenge's `realm`. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly TokenRequest[];
  /** A refresh token (identity token) of this user, as a POST with `grant_type=refresh_token` takes it. */
  refreshToken(user: RegistryUser): string;
  /** Changes the behaviour from the next request on. */
  behave(behaviour: TokenServerBehaviour): void;
  stop(): Promise<void>;
}

/** Where and with what the server signs and listens. */
export interface TokenServerOptions {
  /** RSA; the registry trusts it as its `rootcertbundle`. */
  readonly signing: Certificate;
  /** Loopback address to listen on. */
  readonly address: string;
  /** Serves https with this certificate. */
  readonly tls?: Certificate;
  readonly behaviour?: TokenServerBehaviour;
}

/**
 * The authorization server of Docker's token specification: GET with Basic, POST with `refresh_token` or
 * `password`. Signs RS256 with the certificate in `x5c`. Unknown users get 401, known ones exactly the actions
 * they may do, without a word about those they may not: the registry's own 401 is then the answer.
 */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const sign = await signer(options.signing);
  const requests: TokenRequest[] = [];
  const refreshTokens = new Map<string, RegistryUser>();
  let behaviour = options.behaviour ?? {};
  const refreshToken = (user: RegistryUser): string => {
    const token = randomBytes(16).toString("hex");
    refreshTokens.set(token, user);
    return token;
  };
  const answer = (asked: Asked): object => {
    const life = behaviour.ttlSeconds ?? 60;
    const claims = { sub: asked.user?.username ?? "", aud: asked.service ?? service, access: allowed(asked) };
    const token = { [behaviour.field ?? "token"]: sign(claims, life), expires_in: life, issued_at: new Date() };
    return asked.offline && asked.user !== undefined ? { ...token, refresh_token: refreshToken(asked.user) } : token;
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = await readRequest(request, refreshTokens);
    const status = decide(asked, behaviour);
    const { method, grantType, scopes } = asked;
    requests.push({ method, user: asked.user?.username, grantType, service: asked.service, scopes, status });
    response.writeHead(status, { "content-type": "application/json" });
    const refusal = { errors: [{ code: status === 401 ? "UNAUTHORIZED" : "UNSUPPORTED" }] };
    response.end(JSON.stringify(status === 200 ? answer(asked) : refusal));
  };
  const server = await listen(options, handle);
  const { port } = server.address() as AddressInfo;
  return {
    realm: `${options.tls === undefined ? "http" : "https"}://${options.address}:${port}/token`,
    service,
    issuer,
    requests,
    refreshToken,
    behave: (next) => {
      behaviour = next;
    },
    stop: async () => {
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  };
}

const service = "wasme-test-registry";
const issuer = "wasme-test-issuer";

async function listen(
  options: TokenServerOptions,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Server> {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  };
  const { tls } = options;
  const server =
    tls === undefined
      ? createServer(listener)
      : createTlsServer({ cert: await readFile(tls.certificate), key: await readFile(tls.key) }, listener);
  server.listen(0, options.address);
  await once(server, "listening");
  return server;
}

type Claims = Readonly<Record<string, unknown>>;

async function signer(signing: Certificate): Promise<(claims: Claims, lifeSeconds: number) => string> {
  const key = await readFile(signing.key, "utf8");
  const certificate = new X509Certificate(await readFile(signing.certificate)).raw.toString("base64");
  const header = encode({ typ: "JWT", alg: "RS256", x5c: [certificate] });
  return (claims, lifeSeconds) => {
    const now = Math.floor(Date.now() / 1000);
    const times = { iss: issuer, iat: now, nbf: now - 5, exp: now + lifeSeconds, jti: randomBytes(8).toString("hex") };
    const body = `${header}.${encode({ ...claims, ...times })}`;
    return `${body}.${createSign("RSA-SHA256").update(body).sign(key, "base64url")}`;
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A request, read. */
interface Asked {
  readonly method: string;
  readonly grantType: string | undefined;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly offline: boolean;
  /** Whether it brought credentials at all; they are false when `user` is undefined then. */
  readonly credentials: boolean;
  readonly user: RegistryUser | undefined;
}

async function readRequest(request: IncomingMessage, refreshTokens: ReadonlyMap<string, RegistryUser>): Promise<Asked> {
  const { method = "", headers, url = "/" } = request;
  const form = method === "POST" ? new URLSearchParams(await text(request)) : undefined;
  const asked = form ?? new URL(url, "http://token.test").searchParams;
  return {
    method,
    grantType: form?.get("grant_type") ?? undefined,
    service: asked.get("service") ?? undefined,
    scopes: asked.getAll("scope").flatMap((scope) => scope.split(" ").filter((part) => part !== "")),
    offline: asked.get("offline_token") === "true" || asked.get("access_type") === "offline",
    credentials: form !== undefined || headers.authorization !== undefined,
    user: form === undefined ? basicUser(headers.authorization) : postUser(form, refreshTokens),
  };
}

function basicUser(authorization = ""): RegistryUser | undefined {
  const [, encoded = ""] = /^Basic (.+)$/i.exec(authorization) ?? [];
  const plain = Buffer.from(encoded, "base64").toString();
  return registryUsers.find(({ username, password }) => plain === `${username}:${password}`);
}

function postUser(form: URLSearchParams, refreshTokens: ReadonlyMap<string, RegistryUser>): RegistryUser | undefined {
  if (form.get("grant_type") === "refresh_token") return refreshTokens.get(form.get("refresh_token") ?? "");
  const [username, password] = [form.get("username"), form.get("password")];
  return registryUsers.find((user) => user.username === username && user.password === password);
}

function decide({ method, user, credentials }: Asked, behaviour: TokenServerBehaviour): number {
  if (method === "POST" && behaviour.rejectPost === true) return 405;
  const anonymous = !credentials && behaviour.anonymousPull === true;
  return user !== undefined || anonymous ? 200 : 401;
}

function allowed({ scopes, user }: Asked): readonly object[] {
  return scopes.flatMap((scope) => {
    // zot asks for no repository at all, `repository::pull`, where a login is tried.
    const [, type, name, actions = ""] = /^([^:]+):(.*):([^:]*)$/.exec(scope) ?? [];
    const granted = actions.split(",").filter((action) => action === "pull" || user?.mayPush === true);
    return granted.length === 0 ? [] : [{ type, name, actions: granted }];
  });
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

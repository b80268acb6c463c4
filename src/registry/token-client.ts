import { bytesSource } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import { isObject, tryParseJson } from "../domain/json.ts";
import { basicHeader, type Credential } from "./credential.ts";
import { type FollowedResponse, type FollowOptions, type GuardedRequest, sendFollowing } from "./follow-redirects.ts";
import { BodyLimit, readBody } from "./read-body.ts";
import { isPassing, passingStatus } from "./status-errors.ts";
import { withRetry, type RetryBudget } from "./retry.ts";

/** A bearer token and when it ends. */
export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch, a tenth of its life before the real end. */
  readonly expires: number;
  /** To ask by the next time, in place of the one that was sent. */
  readonly refreshToken?: string;
}

/** What a token is asked for. */
export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  /** The registry the token is for, as the user knows it. */
  readonly host: string;
  readonly signal: AbortSignal | undefined;
  /** Of the request that needs the token; one of its own when absent. */
  readonly budget: RetryBudget | undefined;
}

/** What asking needs. */
export interface TokenDeps extends FollowOptions {
  readonly now: () => number;
  /** A budget, as part of a whole one where there is one. */
  readonly budget: (signal: AbortSignal | undefined, whole: RetryBudget | undefined) => RetryBudget;
  /** Told every answer: servers send warnings along. */
  readonly tell: (followed: FollowedResponse) => void;
}

/** Lifetime of a token whose server does not say (distribution token spec). */
const DEFAULT_LIFE_S = 60;
/** After these answers to a POST the older GET is tried. */
const NO_POST: ReadonlySet<number> = new Set([400, 401, 404, 405]);

/**
 * Asks the token endpoint: by GET with Basic, or by POST with a refresh token, falling back to GET.
 * Throws `LOGIN_REFUSED` (unauthorised) when it wants none of our credentials, `TOKEN_REFUSED` (failed) when it does not
 * give tokens at all, `TOKEN_INVALID` (failed) for nonsense.
 */
export async function requestToken(request: TokenRequest, deps: TokenDeps): Promise<Token> {
  const budget = deps.budget(request.signal, request.budget);
  return withRetry(budget, async () => {
    const { credential } = request;
    if (credential?.kind === "identity-token") {
      const posted = await post(request, credential.token, deps);
      if (!NO_POST.has(posted.response.status)) return read(posted, request, deps);
      posted.response.discard();
    }
    return read(await get(request, deps), request, deps);
  });
}

function get(request: TokenRequest, deps: TokenDeps): Promise<FollowedResponse> {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set("service", request.service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const secrets = basicOf(request.credential);
  return send({ method: "GET", url, secrets }, request, deps);
}

function post(request: TokenRequest, refreshToken: string, deps: TokenDeps): Promise<FollowedResponse> {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: "wasme" });
  if (request.service !== undefined) form.set("service", request.service);
  if (request.scopes.length > 0) form.set("scope", request.scopes.join(" "));
  form.set("refresh_token", refreshToken);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = bytesSource(Buffer.from(form.toString()));
  return send({ method: "POST", url: request.realm, headers, body, secrets: {}, secretBody: true }, request, deps);
}

async function send(
  call: Pick<GuardedRequest, "method" | "url" | "secrets" | "headers" | "body" | "secretBody">,
  request: TokenRequest,
  deps: TokenDeps,
): Promise<FollowedResponse> {
  const { signal } = request;
  const followed = await sendFollowing({ ...call, home: request.realm, ...(signal && { signal }) }, deps);
  const { response, url } = followed;
  deps.tell(followed);
  if (isPassing(response.status)) throw passingStatus(response, asked(url, request), deps.now());
  return followed;
}

async function read({ response, url }: FollowedResponse, request: TokenRequest, deps: TokenDeps): Promise<Token> {
  if (response.status !== 200) {
    const { tokenRefused } = await import("./token-refused.ts");
    throw await tokenRefused(response, url, request);
  }
  const body = tryParseJson(new TextDecoder().decode(await readBody(response, url, BodyLimit.token)));
  const fields = isObject(body) ? body : {};
  const value = [fields["token"], fields["access_token"]].find((each) => typeof each === "string" && each !== "");
  if (typeof value !== "string" || !VISIBLE.test(value)) {
    throw new WasmeError("failed", "TOKEN_INVALID", `${url.host} answered without a usable token for ${request.host}`);
  }
  const next = fields["refresh_token"];
  return {
    value,
    expires: deps.now() + lifeOf(fields, response.headers.date) * 900,
    ...(typeof next === "string" && VISIBLE.test(next) ? { refreshToken: next } : {}),
  };
}

/** What may stand in a header. */
const VISIBLE = /^[\x21-\x7e]+$/u;

/**
 * Seconds a token has left. Some servers hand out one they made a while ago; how long ago is told by two times of the
 * same clock, `issued_at` and the answer's `date`: that clock may be wrong.
 */
function lifeOf(fields: Readonly<Record<string, unknown>>, date: string | undefined): number {
  const { expires_in: told, issued_at: issued } = fields;
  const life = typeof told === "number" && told > 0 ? told : DEFAULT_LIFE_S;
  const age = typeof issued === "string" ? (Date.parse(date ?? "") - Date.parse(issued)) / 1000 : 0;
  return age > 0 && age < life ? life - age : life;
}

function basicOf(credential: Credential | undefined): Record<string, string> {
  if (credential === undefined || credential.kind === "registry-token") return {};
  const secret = credential.kind === "basic" ? credential.password : credential.token;
  return { authorization: basicHeader(credential.username, secret) };
}

function asked(url: URL, request: TokenRequest): { host: string; action: string } {
  return { host: url.host, action: `give a token for ${request.host}` };
}

import { WasmeError } from "../domain/errors.ts";
import { type Challenge, parseChallenges } from "./auth-challenge.ts";
import { basicHeader, type Credential, type CredentialSource } from "./credential.ts";
import { isMetadataHost } from "./redirects.ts";
import type { RetryBudget } from "./retry.ts";
import { mergeScopes, type Scope } from "./scopes.ts";
import { TokenCache } from "./token-cache.ts";
import { requestToken, type Token, type TokenDeps } from "./token-client.ts";

/** What a request needs to be allowed. */
export interface Need {
  /** Which credential: some files have one per repository. */
  readonly repository: string | undefined;
  readonly scopes: readonly Scope[];
  readonly signal: AbortSignal | undefined;
  /** The time a token may take is part of this. */
  readonly budget: RetryBudget | undefined;
}

/** A 401 in answer to a request, or a 403 that says `insufficient_scope`. */
export interface Rejection {
  /** The `authorization` that was sent, if any. */
  readonly sent: string | undefined;
  /** The `www-authenticate` of the answer. */
  readonly challenge: string | undefined;
}

/** Who an authorizer speaks for, and to whom. */
export interface AuthorizerOptions {
  /** As the user knows the registry. */
  readonly host: string;
  /** The registry's address: decides whether an http realm will do. */
  readonly origin: () => URL;
  readonly credentials: CredentialSource;
  readonly tokens: TokenDeps;
}

type Mode =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: URL; readonly service?: string };

const BEARER = "Bearer ";

/** What a request was refused for in the end. */
export interface Denial {
  /** The scopes the token lacks, as far as the registry told; none under Basic. */
  readonly scopes: readonly Scope[];
  /** Who asked; `undefined` for nobody. */
  readonly credential: Credential | undefined;
}

/**
 * Authorizes requests to one registry. It says nothing until the registry asks; then answers by Basic, or by Bearer
 * with tokens cached by token server, service and scopes, one request for each at a time. A request whose
 * authorization was refused is sent once more, with what the refusal taught, and not again.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens: TokenCache;
  readonly #credentials = new Map<string, Promise<Credential | undefined>>();
  /** What challenges asked for beyond what we thought was needed. */
  readonly #extra = new Map<string, readonly Scope[]>();
  /** Requests that were refused with an authorization before. */
  readonly #refused = new WeakSet<Need>();
  #mode: Mode | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
    this.#tokens = new TokenCache(options.tokens.now);
  }

  /** The `authorization` to send; `undefined` when none is known to be wanted, or there is none. */
  async header(need: Need): Promise<string | undefined> {
    const mode = this.#mode;
    if (mode === undefined) return undefined;
    const credential = await this.#credential(need.repository);
    if (credential?.kind === "registry-token") return `${BEARER}${credential.token}`;
    if (mode.scheme === "bearer") return `${BEARER}${await this.#token(mode, need, credential)}`;
    return credential?.kind === "basic" ? basicHeader(credential.username, credential.password) : undefined;
  }

  /** Learns from a refusal; true when sending again makes sense. `need` is the same object for all tries of a request. */
  async renew(need: Need, rejection: Rejection): Promise<boolean> {
    const { sent, challenge } = rejection;
    const offered = choose(parseChallenges(challenge));
    if (offered !== undefined) this.#mode = this.#checked(offered);
    const mode = this.#mode;
    if (mode === undefined || this.#refused.has(need)) return false;
    const credential = await this.#credential(need.repository);
    if (sent === undefined) {
      this.#widen(need, offered);
      return mode.scheme === "bearer" || isSendable(credential);
    }
    this.#refused.add(need);
    if (credential?.kind === "registry-token") return false;
    if (mode.scheme === "basic") return credential?.kind === "basic" && sent.startsWith(BEARER);
    return this.#renewToken(mode, need, { sent, offered });
  }

  #renewToken(
    mode: Mode & { scheme: "bearer" },
    need: Need,
    { sent, offered }: { readonly sent: string; readonly offered: Challenge | undefined },
  ): boolean {
    const key = this.#key(mode, need);
    if (this.#widen(need, offered)) return true;
    if (offered?.params["error"] === "insufficient_scope") return false; // it was asked for already
    return this.#tokens.refuse(key, sent.slice(BEARER.length));
  }

  /** Why a request was refused in the end, for its message. */
  async denial(need: Need, challenge: string | undefined): Promise<Denial> {
    const credential = await this.#credential(need.repository);
    if (this.#mode?.scheme !== "bearer" || credential?.kind === "registry-token") return { scopes: [], credential };
    const named = scopesOf(choose(parseChallenges(challenge)));
    return { scopes: named.length > 0 ? named : this.#scopes(need), credential };
  }

  #token(mode: Mode & { scheme: "bearer" }, need: Need, credential: Credential | undefined): Promise<string> {
    const { tokens, host } = this.#options;
    const { realm, service } = mode;
    const asked = { realm, service, scopes: this.#scopes(need), credential, host, budget: need.budget };
    const ask = async (signal: AbortSignal): Promise<Token> => {
      const token = await requestToken({ ...asked, signal }, tokens);
      if (credential?.kind === "identity-token" && token.refreshToken !== undefined) {
        // The one we had may be good for a single use.
        this.#credentials.set(need.repository ?? "", Promise.resolve({ ...credential, token: token.refreshToken }));
      }
      return token;
    };
    return this.#tokens.get(this.#key(mode, need), ask, need.signal);
  }

  /** Adds the scopes of a challenge to what is asked for from now on; true when there were new ones. */
  #widen(need: Need, offered: Challenge | undefined): boolean {
    const before = this.#scopes(need);
    const after = mergeScopes(before, scopesOf(offered));
    if (after.join(" ") === before.join(" ")) return false;
    this.#extra.set(need.scopes.join(" "), after);
    return true;
  }

  #scopes(need: Need): readonly Scope[] {
    return mergeScopes(need.scopes, this.#extra.get(need.scopes.join(" ")) ?? []);
  }

  #key(mode: Mode & { scheme: "bearer" }, need: Need): string {
    return JSON.stringify([mode.realm.href, mode.service, need.repository, ...this.#scopes(need)]);
  }

  #credential(repository: string | undefined): Promise<Credential | undefined> {
    const key = repository ?? "";
    const known = this.#credentials.get(key);
    if (known !== undefined) return known;
    const found = this.#options.credentials(this.#options.host, repository);
    this.#credentials.set(key, found);
    found.catch(() => this.#credentials.delete(key));
    return found;
  }

  /** A realm must be https, or http like the registry itself, and no metadata service. */
  #checked(challenge: Challenge): Mode {
    if (challenge.scheme === "basic") return { scheme: "basic" };
    const { realm = "", service } = challenge.params;
    const origin = this.#options.origin();
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const refuse = (why: string): Error =>
      new WasmeError("failed", "REALM_REFUSED", `${this.#options.host} names a token server we do not ask: ${why}`, {
        hint: "this is a fault or an attack on the side of the registry: tell its operator",
        details: { realm: realm.slice(0, 200) },
      });
    if (url === undefined) throw refuse("it is not a URL");
    if (url.protocol !== "https:" && url.protocol !== "http:") throw refuse("it is not http or https");
    if (url.protocol === "http:" && origin.protocol === "https:") throw refuse("it would leave TLS");
    if (isMetadataHost(url.hostname) && url.hostname !== origin.hostname) throw refuse("its address is link-local");
    url.username = "";
    url.password = "";
    return { scheme: "bearer", realm: url, ...(service === undefined ? {} : { service }) };
  }
}

/** True for what can answer a Basic challenge. */
function isSendable(credential: Credential | undefined): boolean {
  return credential !== undefined && credential.kind !== "identity-token";
}

/** The scopes a challenge names: several are separated by spaces (a mount needs two). */
function scopesOf(challenge: Challenge | undefined): readonly Scope[] {
  return challenge?.params["scope"]?.split(/\s+/u).filter((scope) => scope !== "") ?? [];
}

/** Bearer before Basic; others (Negotiate, …) are not for us. */
function choose(challenges: readonly Challenge[]): Challenge | undefined {
  const bearer = challenges.find(({ scheme, params }) => scheme === "bearer" && params["realm"] !== undefined);
  return bearer ?? challenges.find(({ scheme }) => scheme === "basic");
}

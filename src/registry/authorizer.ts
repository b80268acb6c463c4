import { WasmeError } from "../domain/errors.ts";
import { type Challenge, parseChallenges } from "./auth-challenge.ts";
import { basicHeader, type Credential, type CredentialSource } from "./credential.ts";
import { isMetadataHost } from "./redirects.ts";
import { mergeScopes, type Scope } from "./scopes.ts";
import { requestToken, type Token, type TokenDeps } from "./token-client.ts";

/** What a request needs to be allowed. */
export interface Need {
  /** Which credential: some files have one per repository. */
  readonly repository: string | undefined;
  readonly scopes: readonly Scope[];
  readonly signal: AbortSignal | undefined;
}

/** A 401 in answer to a request. */
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

interface Cached {
  readonly token: Promise<Token>;
  /** Requests it was used for: a token that never worked is not renewed again and again. */
  uses: number;
}

/**
 * Authorizes requests to one registry. It says nothing until the registry asks; then answers by Basic, or by Bearer
 * with tokens cached by service and scopes, one request for each at a time.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, Cached>();
  readonly #credentials = new Map<string, Promise<Credential | undefined>>();
  /** What challenges asked for beyond what we thought was needed. */
  readonly #extra = new Map<string, readonly Scope[]>();
  #mode: Mode | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The `authorization` to send; `undefined` when none is known to be wanted, or there is none. */
  async header(need: Need): Promise<string | undefined> {
    if (this.#mode === undefined) return undefined;
    const credential = await this.#credential(need.repository);
    if (credential?.kind === "registry-token") return `Bearer ${credential.token}`;
    if (this.#mode.scheme === "bearer") return `Bearer ${await this.#token(this.#mode, need, credential)}`;
    return credential?.kind === "basic" ? basicHeader(credential.username, credential.password) : undefined;
  }

  /** Learns from a 401; true when sending again makes sense. */
  async renew(need: Need, rejection: Rejection): Promise<boolean> {
    const offered = choose(parseChallenges(rejection.challenge));
    if (offered !== undefined) this.#mode = this.#checked(offered);
    if (this.#mode === undefined) return false;
    if (rejection.sent === undefined) {
      this.#widen(need, offered);
      return this.#mode.scheme === "bearer" || isSendable(await this.#credential(need.repository));
    }
    if (this.#mode.scheme === "basic" || (await this.#credential(need.repository))?.kind === "registry-token")
      return false;
    const key = this.#key(this.#mode, need);
    if (this.#widen(need, offered)) return true;
    const cached = this.#tokens.get(key);
    if (cached === undefined) return true;
    if (`Bearer ${(await cached.token).value}` !== rejection.sent) return true; // somebody renewed it meanwhile
    if (cached.uses < 2) return false;
    this.#tokens.delete(key);
    return true;
  }

  async #token(mode: Mode & { scheme: "bearer" }, need: Need, credential: Credential | undefined): Promise<string> {
    const { tokens, host } = this.#options;
    const key = this.#key(mode, need);
    const known = this.#tokens.get(key);
    if (known !== undefined && (await known.token).expires > tokens.now()) {
      known.uses += 1;
      return (await known.token).value;
    }
    const current = this.#tokens.get(key);
    if (current !== known && current !== undefined) return (await current.token).value; // another request was faster
    const scopes = this.#scopes(need);
    const { realm, service } = mode;
    const token = requestToken({ realm, service, scopes, credential, host, signal: need.signal }, tokens);
    this.#tokens.set(key, { token, uses: 1 });
    token.catch(() => this.#tokens.delete(key));
    return (await token).value;
  }

  /** Adds the scopes of a challenge to what is asked for from now on; true when there were new ones. */
  #widen(need: Need, offered: Challenge | undefined): boolean {
    const wanted = offered?.params["scope"]?.split(/\s+/u).filter((scope) => scope !== "") ?? [];
    const before = this.#scopes(need);
    const after = mergeScopes(before, wanted);
    if (after.join(" ") === before.join(" ")) return false;
    this.#extra.set(need.scopes.join(" "), after);
    return true;
  }

  #scopes(need: Need): readonly Scope[] {
    return mergeScopes(need.scopes, this.#extra.get(need.scopes.join(" ")) ?? []);
  }

  #key(mode: Mode, need: Need): string {
    const bearer = mode.scheme === "bearer" ? [mode.realm.href, mode.service] : [];
    return JSON.stringify([...bearer, need.repository, ...this.#scopes(need)]);
  }

  #credential(repository: string | undefined): Promise<Credential | undefined> {
    const key = repository ?? "";
    const known = this.#credentials.get(key) ?? this.#options.credentials(this.#options.host, repository);
    this.#credentials.set(key, known);
    return known;
  }

  /** A realm must be https, or http like the registry itself, and no metadata service. */
  #checked(challenge: Challenge): Mode {
    if (challenge.scheme === "basic") return { scheme: "basic" };
    const { realm = "", service } = challenge.params;
    const origin = this.#options.origin();
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const refuse = (why: string): Error =>
      new WasmeError("failed", "REALM_REFUSED", `${this.#options.host} names a token server we do not ask: ${why}`, {
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

/** Bearer before Basic; others (Negotiate, …) are not for us. */
function choose(challenges: readonly Challenge[]): Challenge | undefined {
  const bearer = challenges.find(({ scheme, params }) => scheme === "bearer" && params["realm"] !== undefined);
  return bearer ?? challenges.find(({ scheme }) => scheme === "basic");
}

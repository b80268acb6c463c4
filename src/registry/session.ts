import type { BodySource } from "../domain/content.ts";
import { WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { stripControls } from "../domain/redact.ts";
import type { Clock } from "../platform/clock.ts";
import type { HttpResponse, HttpTransport } from "../platform/http-transport.ts";
import type { TlsSettings } from "../platform/http-trust.ts";
import type { Authorizer } from "./authorizer.ts";
import type { CredentialSource } from "./credential.ts";
import { type FollowedResponse, sendFollowing } from "./follow-redirects.ts";
import type { Quirks } from "./quirks.ts";
import type { RegistryConfig, RegistrySettings } from "./registry-config.ts";
import { pickTls, type RegistryOrigin, registryOrigin } from "./registry-host.ts";
import { RetryBudget, TransientError, withRetry } from "./retry.ts";
import type { Scope } from "./scopes.ts";
import { isPassing, passingStatus, statusError } from "./status-errors.ts";
import { isPlainHttpAnswer } from "./tls-errors.ts";

/** What every conversation with a registry needs. */
export interface SessionDeps {
  readonly transport: HttpTransport;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  readonly events: EventSink;
  readonly plainHttp: boolean;
  /** Applied to the registry itself; a CA file also to where it sends us. */
  readonly tls: TlsSettings;
  /** The user's settings of single registries; read when the first request is made. */
  readonly config: () => Promise<RegistryConfig>;
  /** Uploads go in pieces of this size. Bytes. */
  readonly chunkSize: number | undefined;
  readonly retryBudgetMs: number;
  /** Longest silence of a server. Milliseconds. */
  readonly idleTimeoutMs: number;
  readonly userAgent: string;
}

/** One request to the API. */
export interface ApiRequest {
  readonly method: string;
  /** Below `/v2/`, or a whole URL the registry gave us. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodySource;
  readonly onSent?: (bytes: number) => void;
  readonly repository?: string | undefined;
  readonly scopes: readonly Scope[];
  /** For messages, a verb phrase: `read acme/auth:v1`. */
  readonly action: string;
  readonly bodyIdleTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Shared by the requests of one larger step; a request has its own otherwise. */
  readonly budget?: RetryBudget;
}

/** What is told of a request that was refused. */
type Refused = Pick<ApiRequest, "action"> & Partial<Pick<ApiRequest, "repository" | "scopes" | "signal">>;

/** What uploads taught about a registry, for those after them. */
export interface Learned {
  /** Pieces of this size go through where whole blobs do not. Bytes. */
  pieceSize?: number;
  /** It takes no pieces. */
  noPieces?: boolean;
  /** Whether it lists the referrers of a repository itself, by repository. */
  referrersApi?: Map<string, boolean>;
}

/** A connection with one registry: its address, its authentication, its patience. */
export class Session {
  /** As the user knows it. */
  readonly host: string;
  readonly deps: SessionDeps;
  readonly learned: Learned = {};
  /** Made, and its code loaded, when the registry first asks who we are. */
  #authorizer: Promise<Authorizer> | undefined;
  #origin: RegistryOrigin;
  #config: Promise<RegistryConfig> | undefined;
  /** What the user's file says, once it was read. */
  #settings: RegistryConfig = new Map();
  /** Whether the server has answered in the scheme of the origin. */
  #settled = false;
  readonly #warned = new Set<string>();

  constructor(host: string, deps: SessionDeps) {
    this.host = host;
    this.deps = deps;
    this.#origin = this.#chooseOrigin({});
  }

  /** Where the API is. */
  get origin(): URL {
    return this.#origin.first;
  }

  /** What the registry does in its own way; the user's file and `chunkSize` win over what is known of it. */
  async quirks(): Promise<Quirks> {
    const [config, { quirksOf }] = await Promise.all([this.#configured(), import("./quirks.ts")]);
    const { chunkSize } = this.deps;
    const asked = chunkSize === undefined ? {} : ({ upload: "chunked", chunkSize } as const);
    return quirksOf(this.host, { ...config.get(this.host), ...asked });
  }

  /** A fresh budget for the tries of one step. */
  budget(signal: AbortSignal | undefined): RetryBudget {
    return new RetryBudget({ clock: this.deps.clock, budgetMs: this.deps.retryBudgetMs, signal });
  }

  /** Sends until the answer is a lasting one. Throws when the registry cannot be reached or stays busy. */
  send(request: ApiRequest): Promise<FollowedResponse> {
    const budget = request.budget ?? this.budget(request.signal);
    return withRetry(budget, () => this.once({ ...request, budget }));
  }

  /** Sends once, with authentication; throws a {@link TransientError} for an answer that may pass. */
  async once(request: ApiRequest): Promise<FollowedResponse> {
    await this.#configured();
    const { repository, scopes, signal, budget } = request;
    const need = { repository, scopes, signal, budget };
    let pinged = false;
    for (let round = 0; ; round++) {
      const sent = await (await this.#authorizer)?.header(need);
      const followed = await this.#exchange(request, sent);
      const { response } = followed;
      this.#tell(followed);
      if (isPassing(response.status)) throw passingStatus(response, this.#asked(request), this.deps.clock.now());
      if (!mayBeAllowed(response) || round > 2 || followed.url.origin !== this.origin.origin) return followed;
      let challenge = response.headers["www-authenticate"];
      if (challenge === undefined && sent === undefined && !pinged) {
        pinged = true;
        challenge = await this.#challengeOfPing(request.signal);
      }
      this.#authorizer ??= this.#openAuthorizer();
      if (!(await (await this.#authorizer).renew(need, { sent, challenge }))) return followed;
      response.discard();
    }
  }

  /** The error for an answer nobody expected. Reads its body. */
  async refusal({ response, url }: FollowedResponse, request: Refused): Promise<WasmeError> {
    const error = await statusError(response, url, this.#asked(request));
    if (error.kind !== "unauthorised" || url.origin !== this.origin.origin) return error;
    const authorizer = await this.#authorizer;
    if (authorizer === undefined) return error;
    const { repository, scopes = [], signal } = request;
    const denial = await authorizer.denial(
      { repository, scopes, signal, budget: undefined },
      response.headers["www-authenticate"],
    );
    const { withDenial } = await import("./denied.ts");
    return withDenial(error, denial, this.host);
  }

  /** Reads the user's file, and minds what it says of this registry. */
  #configured(): Promise<RegistryConfig> {
    this.#config ??= this.deps.config().then((config) => {
      const own = config.get(this.host);
      this.#settings = config;
      if (own !== undefined) this.#origin = this.#chooseOrigin(own);
      return config;
    });
    return this.#config;
  }

  #chooseOrigin(own: RegistrySettings): RegistryOrigin {
    const tls = { ...own, ...this.deps.tls };
    const tlsMeant = tls.caFile !== undefined || tls.certFile !== undefined || tls.insecure === true;
    return registryOrigin(this.host, { plainHttp: this.deps.plainHttp || own.plainHttp === true, tlsMeant });
  }

  async #openAuthorizer(): Promise<Authorizer> {
    const { Authorizer: Made } = await import("./authorizer.ts");
    const { credentials, clock } = this.deps;
    return new Made({
      host: this.host,
      origin: () => this.origin,
      credentials,
      tokens: {
        ...this.#followOptions(),
        now: () => clock.now(),
        budget: (signal, whole) => whole?.part(signal) ?? this.budget(signal),
        tell: (followed) => this.#tell(followed),
      },
    });
  }

  /** Some registries refuse without saying how to ask; the base of the API does (distribution spec, end-1). */
  async #challengeOfPing(signal: AbortSignal | undefined): Promise<string | undefined> {
    const ping = { method: "GET", target: "", scopes: [], action: "answer", signal };
    const { response, url } = await this.#exchange(ping, undefined);
    response.discard();
    // Only the registry itself says who is told our credentials.
    return response.status === 401 && url.origin === this.origin.origin
      ? response.headers["www-authenticate"]
      : undefined;
  }

  async #exchange(request: ApiRequest, authorization: string | undefined): Promise<FollowedResponse> {
    const origin = this.#origin;
    try {
      const followed = await this.#follow(request, authorization);
      if (this.#settled || followed.response.status !== 400 || !this.#isHttpFallback()) {
        this.#settled = true;
        return followed;
      }
      if (!(await this.#tryFallback(request.signal))) return followed;
      followed.response.discard();
    } catch (error) {
      if (this.#settled || !mayBeOtherScheme(error, origin.fallback)) throw error;
      if (this.#origin === origin && !(await this.#tryFallback(request.signal))) throw error;
    }
    return this.#follow(request, authorization);
  }

  #isHttpFallback(): boolean {
    return this.#origin.fallback?.protocol === "https:";
  }

  /** Looks whether a loopback server speaks the other scheme, and keeps to it if so. */
  async #tryFallback(signal: AbortSignal | undefined): Promise<boolean> {
    const { fallback } = this.#origin;
    if (fallback === undefined) return false;
    const url = new URL("/v2/", fallback);
    try {
      const sending = { method: "GET", url, secrets: {}, home: fallback, ...(signal && { signal }) };
      const { response } = await sendFollowing(sending, this.#followOptions());
      response.discard();
    } catch (error) {
      if (error instanceof TransientError) return false;
      if (error instanceof WasmeError && error.code === "REGISTRY_SPEAKS_HTTP") return false;
      throw error; // it does speak TLS, but cannot be trusted: that is the answer
    }
    this.#origin = { first: fallback, fallback: undefined };
    this.#settled = true;
    return true;
  }

  #follow(request: ApiRequest, authorization: string | undefined): Promise<FollowedResponse> {
    const { budget, signal, body, onSent, bodyIdleTimeoutMs } = request;
    const { idleTimeoutMs } = this.deps;
    const patience =
      budget === undefined || budget.failures === 0 ? idleTimeoutMs : Math.max(idleTimeoutMs / 3, budget.leftMs);
    return sendFollowing(
      {
        method: request.method,
        url: typeof request.target === "string" ? new URL(`/v2/${request.target}`, this.origin) : request.target,
        headers: { "user-agent": this.deps.userAgent, ...request.headers },
        secrets: authorization === undefined ? {} : { authorization },
        home: this.origin,
        idleTimeoutMs: Math.min(idleTimeoutMs, patience),
        ...(bodyIdleTimeoutMs === undefined ? {} : { bodyIdleTimeoutMs: Math.min(bodyIdleTimeoutMs, patience) }),
        ...(body && { body }),
        ...(onSent && { onSent }),
        ...(signal && { signal }),
      },
      this.#followOptions(),
    );
  }

  #followOptions(): { transport: HttpTransport; tlsFor: (url: URL) => TlsSettings } {
    return { transport: this.deps.transport, tlsFor: (url) => this.#tlsFor(url) };
  }

  /**
   * The check is only ever left out for the host the user named, and the client certificate only ever shown at its very
   * port: another one may be a service that takes orders from its holder. What the user's file says of a host holds for
   * that host alone.
   */
  #tlsFor(url: URL): TlsSettings {
    const { caFile, insecure, ...identity } = this.deps.tls;
    const own = this.#settings.get(url.origin === this.origin.origin ? this.host : url.host);
    const flags = {
      ...(insecure !== undefined && url.hostname === this.origin.hostname ? { insecure } : {}),
      ...(url.host === this.origin.host ? identity : {}),
    };
    return pickTls({ ...own, ...flags, caFile: caFile ?? own?.caFile });
  }

  #asked(request: Pick<ApiRequest, "action">): { host: string; action: string } {
    return { host: this.host, action: request.action };
  }

  /** Shows each `Warning: 299` once (distribution spec). */
  #tell({ response }: FollowedResponse): void {
    const header = response.headers["warning"];
    if (header === undefined) return;
    for (const [, text = ""] of header.matchAll(/299\s+-\s+"((?:[^"\\]|\\.)*)"/gu)) {
      if (this.#warned.has(text)) continue;
      this.#warned.add(text);
      this.deps.events({ type: "warning", message: `${this.host} says: ${stripControls(text.slice(0, 500))}` });
    }
  }
}

/** True for a refusal another authorization may change (RFC 6750 section 3.1). */
function mayBeAllowed({ status, headers }: HttpResponse): boolean {
  return status === 401 || (status === 403 && headers["www-authenticate"]?.includes("insufficient_scope") === true);
}

/** An http client at a TLS port is hung up on, not left in silence; a TLS client at an http port gets garbage. */
function mayBeOtherScheme(error: unknown, fallback: URL | undefined): boolean {
  if (fallback?.protocol === "https:") return error instanceof TransientError && error.lostMs === 0;
  return fallback !== undefined && error instanceof WasmeError && isPlainHttpAnswer(error.cause);
}

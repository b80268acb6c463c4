import { errnoOf, messageOf, WasmeError } from "../domain/errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { CredentialSource } from "./credentials.ts";
import { type Intent, statusError } from "./status-error.ts";
import { parseWarnings } from "./warnings.ts";
import { exchange, IDLE_TIMEOUT, readText, WireFailure, type WireRequest, type WireResponse } from "./wire.ts";

/** A request in words of the API: path below the server, query, body, and what it is for. */
export interface ApiRequest {
  readonly method: WireRequest["method"];
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly contentType?: string;
  /** The `Accept` header; JSON when absent. */
  readonly accept?: string;
  readonly body?: unknown;
  readonly intent: Intent;
  /** Milliseconds of silence before it is given up; 30 s when absent. */
  readonly idleMs?: number;
}

/** A complete answer that is not a failure of the connection; any status but those that were retried. */
export interface ApiResponse {
  readonly status: number;
  readonly text: string;
}

/** Sends requests with credentials, retries and warnings; the adapter is written on it. */
export interface ApiClient {
  readonly source: CredentialSource;
  /** Sends and reads the answer, whatever its status. */
  call(request: ApiRequest, signal?: AbortSignal): Promise<ApiResponse>;
  /** Sends and gives the body as it comes; throws unless the status is 200. */
  stream(request: ApiRequest, signal?: AbortSignal): Promise<AsyncIterable<Buffer>>;
}

/** What the client needs of the outside. */
export interface ClientDeps {
  readonly source: CredentialSource;
  readonly clock: Clock;
  /** Told every distinct text of a `Warning` header once. */
  readonly warn: (text: string) => void;
  /** Told of every answer, also of those that are tried again; `code` is the status, or `<error>` when none came. */
  readonly onAnswer?: (answer: { readonly method: string; readonly code: string; readonly host: string }) => void;
}

/** Attempts in all, for answers that ask to come back later. */
const ATTEMPTS = 6;
const IDLE_MS = 30_000;
const LONGEST_WAIT_MS = 30_000;
const MAX_ANSWER = 128 * 1024 * 1024;

/**
 * Makes a client. 429, and any 5xx with `Retry-After`, is waited out as client-go does (the first request for a new
 * custom kind is answered so); a 401 asks for new credentials once; a kept connection that the server had closed is
 * replaced once. What remains is an answer, or `KUBE_UNREACHABLE` / `KUBE_TLS`.
 */
export function createClient(deps: ClientDeps): ApiClient {
  const warned = new Set<string>();
  const send = async (request: ApiRequest, signal?: AbortSignal): Promise<WireResponse> => {
    const wire = wireRequest(deps.source.server, request);
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      const response = await attemptOnce(deps, wire, signal);
      for (const text of parseWarnings(response.headers.warning)) {
        if (!warned.has(text)) deps.warn(text);
        warned.add(text);
      }
      if (response.status === 401 && !renewed) {
        renewed = true;
        await drain(response);
        deps.source.forget();
      } else {
        const wait = attempt < ATTEMPTS ? waitBefore(response, attempt) : undefined;
        if (wait === undefined) return response;
        await drain(response);
        await deps.clock.sleep(wait, signal);
      }
    }
  };
  const read = async (response: WireResponse): Promise<ApiResponse> => {
    const text = await readText(response, MAX_ANSWER).catch((error: unknown) => {
      throw unreachable(deps.source.server, error);
    });
    return { status: response.status, text };
  };
  return {
    source: deps.source,
    call: async (request, signal) => read(await send(request, signal)),
    stream: async (request, signal) => {
      const response = await send(request, signal);
      if (response.status === 200) return response.body;
      throw statusError(await read(response), request.intent, deps.source.server);
    },
  };
}

function wireRequest(server: string, request: ApiRequest): WireRequest {
  const url = new URL(server + request.path);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  const headers = {
    ...(request.accept === undefined ? {} : { accept: request.accept }),
    ...(body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }),
  };
  const idleMs = request.idleMs ?? IDLE_MS;
  return { method: request.method, url, idleMs, headers, ...(body === undefined ? {} : { body }) };
}

async function attemptOnce(
  { source, onAnswer }: ClientDeps,
  wire: WireRequest,
  signal: AbortSignal | undefined,
): Promise<WireResponse> {
  for (let tries = 1; ; tries += 1) {
    const access = await source.get();
    const tell = (code: string): void => onAnswer?.({ method: wire.method, code, host: wire.url.host });
    try {
      const response = await exchange(wire, access, signal);
      tell(String(response.status));
      return response;
    } catch (error) {
      tell("<error>");
      const again =
        error instanceof WireFailure && error.stale && STALE_CODES.has(errnoOf(error.cause) ?? "") && tries < 3;
      if (!again) throw unreachable(source.server, error);
    }
  }
}

/** How using a kept connection fails that the server has closed. */
const STALE_CODES: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/**
 * Milliseconds to wait before the request is sent again, up to a quarter more than was asked for: the programs of a
 * thousand nodes are told the same second. `undefined` when the answer stands.
 */
function waitBefore(response: WireResponse, attempt: number): number | undefined {
  const { status, headers } = response;
  const asked = Number(headers["retry-after"]);
  const told = headers["retry-after"] !== undefined && Number.isFinite(asked) && asked >= 0;
  if (status !== 429 && !(status >= 500 && told)) return undefined;
  const wait = told ? asked * 1000 : 250 * 2 ** (attempt - 1);
  return wait > LONGEST_WAIT_MS ? undefined : wait * (1 + Math.random() / 4);
}

async function drain(response: WireResponse): Promise<void> {
  await readText(response, MAX_ANSWER).catch(() => undefined);
}

/** Translates a connection that failed; aborts and our own errors pass. */
function unreachable(server: string, error: unknown): unknown {
  if (!(error instanceof WireFailure)) return error;
  const cause = error.cause;
  const code = errnoOf(cause) ?? "";
  if (TLS_CODES.test(code)) {
    return new WasmeError(
      "unreachable",
      "KUBE_TLS",
      `the certificate of ${server} is not accepted (${messageOf(cause)})`,
      {
        hint: "compare certificate-authority-data of the kubeconfig with the server: kubectl cluster-info",
        cause,
      },
    );
  }
  const why = code === IDLE_TIMEOUT || code === "" ? messageOf(cause) : code;
  return new WasmeError(
    "unreachable",
    "KUBE_UNREACHABLE",
    `cannot reach the Kubernetes API server ${server} (${why})`,
    {
      hint: "is this the right cluster? kubectl config current-context",
      cause,
    },
  );
}

const TLS_CODES = /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL|^EPROTO$/u;

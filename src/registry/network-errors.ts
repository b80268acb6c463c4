import { errnoOf, messageOf, WasmeError } from "../domain/errors.ts";
import { HttpTimeout } from "../platform/http-watchdog.ts";
import { TransientError } from "./retry.ts";
import { tlsError } from "./tls-errors.ts";

/**
 * Translates what the transport threw while talking to `url` into an error of ours; what may pass becomes a
 * {@link TransientError}. Errors of ours, and those of nobody we know, come back as they are.
 */
export function networkError(error: unknown, url: URL): unknown {
  if (error instanceof WasmeError || error instanceof TransientError) return error;
  if (error instanceof HttpTimeout) return timeOut(error, url);
  const code = errnoOf(error) ?? "";
  const tls = tlsError(code, error, url);
  if (tls !== undefined) return tls;
  if (code === "EAI_AGAIN") return new TransientError(unreachable(url, "its name cannot be resolved right now", error));
  const lasting = lastingReason(code, error);
  if (lasting !== undefined) return unreachable(url, lasting, error);
  const passing = BROKEN[code];
  return passing === undefined ? error : new TransientError(broken(url, passing, error));
}

function lastingReason(code: string, error: unknown): string | undefined {
  if (code === "ETIMEDOUT" && isConnecting(error)) return "the connection timed out";
  if (code.startsWith("HPE_")) return "it does not answer in HTTP";
  return code === "EPROXY" ? messageOf(error) : LASTING[code];
}

/** A host that takes no connection is not asked again; a silent one may have lost only this request. */
function timeOut(error: HttpTimeout, url: URL): WasmeError | TransientError {
  const seconds = `${Math.round(error.afterMs / 100) / 10} s`;
  if (error.phase === "connect") return unreachable(url, `no connection within ${seconds}`, error);
  const why = { send: "it took no data for", answer: "no answer within", body: "silence for" };
  return new TransientError(broken(url, `${why[error.phase]} ${seconds}`, error), { lostMs: error.afterMs });
}

/** The host was there, but the exchange did not come to its end. */
function broken(url: URL, why: string, cause: unknown): WasmeError {
  return new WasmeError("unreachable", "REGISTRY_UNREACHABLE", `the connection to ${url.host} broke: ${why}`, {
    hint: "try again; if it stays so, look at the network and at proxies between",
    details: { host: url.host },
    cause,
  });
}

/** Several addresses that were tried together fail as an `AggregateError`. */
function isConnecting(error: unknown): boolean {
  if (error instanceof AggregateError) return true;
  return typeof error === "object" && error !== null && "syscall" in error && error.syscall === "connect";
}

function unreachable(url: URL, why: string, cause: unknown): WasmeError {
  return new WasmeError("unreachable", "REGISTRY_UNREACHABLE", `cannot reach ${url.host}: ${why}`, {
    hint: "check the name and port of the registry, the network, and the proxy variables",
    details: { host: url.host },
    cause,
  });
}

/** Of a connection that stood. */
const BROKEN: Readonly<Record<string, string>> = {
  ECONNRESET: "it was reset",
  ECONNABORTED: "it was aborted",
  EPIPE: "it was closed",
  ETIMEDOUT: "it timed out",
  ERR_STREAM_PREMATURE_CLOSE: "it was closed early",
};

const LASTING: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ENOTFOUND: "there is no such host name",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "the network is unreachable",
  EADDRNOTAVAIL: "the address is not available",
  ENETDOWN: "the network is down",
  EACCES: "the connection is forbidden on this machine",
};

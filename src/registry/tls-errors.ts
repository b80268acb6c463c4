import { errnoOf, messageOf, WasmeError } from "../domain/errors.ts";

/** True when a TLS handshake met a server that does not speak TLS. */
export function isPlainHttpAnswer(error: unknown): boolean {
  const code = errnoOf(error) ?? "";
  return (
    code === "ERR_SSL_WRONG_VERSION_NUMBER" || (code === "EPROTO" && /wrong version number/u.test(messageOf(error)))
  );
}

/** A failure of TLS as the error the user sees; `undefined` for what is none. `code` is Node's. */
export function tlsError(code: string, cause: unknown, url: URL): WasmeError | undefined {
  if (isPlainHttpAnswer(cause)) {
    return new WasmeError("unreachable", "REGISTRY_SPEAKS_HTTP", `${url.host} speaks plain http, not https`, {
      hint: "pass --plain-http if you trust the network between",
      cause,
    });
  }
  const said = aboutClient(code, url.host) ?? aboutServer(code, url.host, cause);
  if (said === undefined) return undefined;
  return new WasmeError("unreachable", "REGISTRY_TLS", said.message, {
    hint: said.hint,
    details: { host: url.host, reason: code },
    cause,
  });
}

interface Said {
  readonly message: string;
  readonly hint: string;
}

/** What a server says of the certificate of its client (RFC 8446 section 6.2). */
function aboutClient(code: string, host: string): Said | undefined {
  const alert = /_ALERT_((?:NO_|BAD_|UNKNOWN_|UNSUPPORTED_)?(?:CERTIFICATE|CA)(?:_[A-Z]+)?)$/u.exec(code)?.[1];
  if (alert === undefined) return undefined;
  const isWanted = alert === "CERTIFICATE_REQUIRED" || alert === "NO_CERTIFICATE";
  return {
    message: isWanted
      ? `${host} wants a client certificate`
      : `${host} does not accept the client certificate (${alert.toLowerCase().replaceAll("_", " ")})`,
    hint: "pass --cert-file FILE and --key-file FILE with one it knows",
  };
}

function aboutServer(code: string, host: string, cause: unknown): Said | undefined {
  const why = CERTIFICATE[code];
  if (why !== undefined) {
    const hint = "pass --ca-file FILE with the authority that signed it, or --insecure to skip the check";
    return { message: `cannot trust ${host}: ${why}`, hint };
  }
  if (!/^(?:ERR_SSL_|ERR_TLS_|EPROTO$)/u.test(code)) return undefined;
  const reason = /SSL routines:[^:]*:([^:]+)/u.exec(messageOf(cause))?.[1] ?? code;
  const hint = "it may be no TLS server, speak a version that is too old, or want a client certificate (--cert-file)";
  return { message: `TLS with ${host} failed: ${reason}`, hint };
}

const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate comes from an authority that is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate comes from an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate comes from an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate comes from an authority that is not known here",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  CERT_REVOKED: "its certificate was revoked",
  CERT_UNTRUSTED: "its certificate is not trusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host name",
  HOSTNAME_MISMATCH: "its certificate is for another host name",
};

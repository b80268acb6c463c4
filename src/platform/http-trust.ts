import { readFile } from "node:fs/promises";
import { errnoOf, usageError } from "../domain/errors.ts";
import { type Env, envValue } from "./env.ts";

/** How certificates are judged, and which one is shown. */
export interface TlsSettings {
  /** PEM file of authorities trusted beside the usual ones. */
  readonly caFile?: string;
  /** Accepts any certificate. */
  readonly insecure?: boolean;
  /** PEM file of the client certificate, with its intermediates; goes with {@link keyFile}. */
  readonly certFile?: string;
  /** PEM file of its key, not encrypted. */
  readonly keyFile?: string;
}

/** The part of `node:tls` options that {@link loadTrust} makes. */
export interface Trust {
  readonly ca?: string[];
  readonly rejectUnauthorized?: false;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Turns settings into trust: a CA file is added to the built-in authorities and those of `NODE_EXTRA_CA_CERTS`.
 * Throws `CA_FILE_INVALID` and `CLIENT_CERT_INVALID` (usage) for files that cannot be read or do not hold what they
 * should.
 */
export async function loadTrust(settings: TlsSettings, env: Env): Promise<Trust> {
  const identity = await readIdentity(settings);
  if (settings.insecure === true) return { ...identity, rejectUnauthorized: false };
  if (settings.caFile === undefined) return identity;
  const own = await readPem(settings.caFile, {
    code: "CA_FILE_INVALID",
    what: "the CA file",
    holds: /-----BEGIN CERTIFICATE-----/u,
    thing: "certificate",
  });
  const { rootCertificates } = await import("node:tls");
  const extraFile = envValue(env, "NODE_EXTRA_CA_CERTS");
  const extra =
    extraFile === undefined
      ? []
      : await readFile(extraFile, "utf8").then(
          (pem) => [pem],
          () => [],
        );
  return { ...identity, ca: [own, ...extra, ...rootCertificates] };
}

/** The client certificate and its key, found to belong together. */
async function readIdentity({ certFile, keyFile }: TlsSettings): Promise<Pick<Trust, "cert" | "key">> {
  if (certFile === undefined || keyFile === undefined) return {};
  const code = "CLIENT_CERT_INVALID";
  const [cert, key] = await Promise.all([
    readPem(certFile, {
      code,
      what: "the client certificate",
      holds: /-----BEGIN CERTIFICATE-----/u,
      thing: "certificate",
    }),
    readPem(keyFile, {
      code,
      what: "the key",
      holds: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/u,
      thing: "private key",
    }),
  ]);
  const { createSecureContext } = await import("node:tls");
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw usageError(code, `cannot use the client certificate ${certFile}: ${whyNot(error, key, keyFile)}`, {
      cause: error,
    });
  }
  return { cert, key };
}

function whyNot(error: unknown, key: string, keyFile: string): string {
  if (key.includes("ENCRYPTED")) return `its key ${keyFile} is encrypted`;
  if (errnoOf(error) === "ERR_OSSL_X509_KEY_VALUES_MISMATCH") return `${keyFile} is the key of another certificate`;
  return `it or its key ${keyFile} is damaged`;
}

interface Wanted {
  readonly code: string;
  readonly what: string;
  readonly holds: RegExp;
  readonly thing: string;
}

async function readPem(file: string, { code, what, holds, thing }: Wanted): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (error) {
    const why =
      errnoOf(error) === "ENOENT" ? "it does not exist" : `it cannot be read (${errnoOf(error) ?? "unknown"})`;
    throw usageError(code, `cannot use ${what} ${file}: ${why}`, { cause: error });
  }
  if (holds.test(pem)) return pem;
  throw usageError(code, `cannot use ${what} ${file}: it holds no PEM ${thing}`, {
    hint: `a PEM ${thing} starts with -----BEGIN`,
  });
}

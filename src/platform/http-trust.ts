import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, rootCertificates, type SecureContext, type SecureContextOptions } from "node:tls";
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
  /** Made once, for all connections: reading the authorities takes longer than shaking hands. */
  readonly secureContext?: SecureContext;
  readonly rejectUnauthorized?: false;
}

/**
 * Turns settings into trust: a CA file is added to the built-in authorities and those of `NODE_EXTRA_CA_CERTS`.
 * Throws `CA_FILE_INVALID` and `CLIENT_CERT_INVALID` (usage) for files that cannot be read or do not hold what they
 * should.
 */
export async function loadTrust(settings: TlsSettings, env: Env): Promise<Trust> {
  const { caFile, certFile, keyFile, insecure } = settings;
  const identity = certFile === undefined || keyFile === undefined ? {} : await readIdentity(certFile, keyFile);
  if (insecure === true) return { secureContext: createSecureContext(identity), rejectUnauthorized: false };
  if (caFile !== undefined) return { secureContext: trusting(await readAuthorities(caFile, env), identity) };
  return certFile === undefined ? {} : { secureContext: createSecureContext(identity) };
}

type Identity = Pick<SecureContextOptions, "cert" | "key">;

/** The built-in authorities, which Node keeps ready, and some more: naming all of them as `ca` takes 50 ms. */
function trusting(more: readonly string[], identity: Identity): SecureContext {
  const made = createSecureContext(identity);
  const native: unknown = made.context;
  if (!canAdd(native)) return createSecureContext({ ...identity, ca: [...more, ...rootCertificates] });
  for (const pem of more) native.addCACert(pem);
  return made;
}

function canAdd(native: unknown): native is { addCACert(pem: string): void } {
  return typeof native === "object" && native !== null && "addCACert" in native;
}

/** The file of the user, and the one Node knows of. */
async function readAuthorities(caFile: string, env: Env): Promise<readonly string[]> {
  const code = "CA_FILE_INVALID";
  const own = await readPem(caFile, { code, what: "the CA file", holds: CERTIFICATE, thing: "certificate" });
  try {
    void new X509Certificate(own);
  } catch (error) {
    throw usageError(code, `cannot use the CA file ${caFile}: it is damaged`, { cause: error });
  }
  const extraFile = envValue(env, "NODE_EXTRA_CA_CERTS");
  if (extraFile === undefined) return [own];
  return readFile(extraFile, "utf8").then(
    (pem) => [own, pem],
    () => [own],
  );
}

/** The client certificate and its key, found to belong together. */
async function readIdentity(certFile: string, keyFile: string): Promise<Identity> {
  const code = "CLIENT_CERT_INVALID";
  const [cert, key] = await Promise.all([
    readPem(certFile, { code, what: "the client certificate", holds: CERTIFICATE, thing: "certificate" }),
    readPem(keyFile, { code, what: "the key", holds: PRIVATE_KEY, thing: "private key" }),
  ]);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const why = whyNot(error, key, keyFile);
    throw usageError(code, `cannot use the client certificate ${certFile}: ${why}`, { cause: error });
  }
  return { cert, key };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----/u;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/u;

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

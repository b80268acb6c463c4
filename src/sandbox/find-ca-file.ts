import { access, constants } from "node:fs/promises";
import { type Env, envValue } from "../platform/env.ts";

/** Where systems keep the CA certificates they trust, in one file. */
const KNOWN_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem",
] as const;

/**
 * The file of trusted CA certificates that Envoy can read: `SSL_CERT_FILE`, else the system's; `undefined` when there
 * is none. In a container it is the one of Envoy's own image.
 */
export async function findCaFile(env: Env, inContainer: boolean): Promise<string | undefined> {
  if (inContainer) return KNOWN_FILES[0];
  const named = envValue(env, "SSL_CERT_FILE");
  for (const file of named === undefined ? KNOWN_FILES : [named, ...KNOWN_FILES]) {
    if (await isReadable(file)) return file;
  }
  return undefined;
}

async function isReadable(file: string): Promise<boolean> {
  return await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

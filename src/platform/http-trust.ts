import { readFile } from "node:fs/promises";
import { errnoOf, usageError } from "../domain/errors.ts";
import { type Env, envValue } from "./env.ts";

/** How certificates are judged. */
export interface TlsSettings {
  /** PEM file of authorities trusted beside the usual ones. */
  readonly caFile?: string;
  /** Accepts any certificate. */
  readonly insecure?: boolean;
}

/**
 * Turns settings into trust: a CA file is added to the built-in authorities and those of `NODE_EXTRA_CA_CERTS`.
 * Throws `CA_FILE_INVALID` (usage) when the file cannot be read or holds no certificate.
 */
export async function loadTrust(
  settings: TlsSettings,
  env: Env,
): Promise<{ ca?: string[]; rejectUnauthorized?: false }> {
  if (settings.insecure === true) return { rejectUnauthorized: false };
  if (settings.caFile === undefined) return {};
  const own = await readCaFile(settings.caFile);
  const { rootCertificates } = await import("node:tls");
  const extraFile = envValue(env, "NODE_EXTRA_CA_CERTS");
  const extra =
    extraFile === undefined
      ? []
      : await readFile(extraFile, "utf8").then(
          (pem) => [pem],
          () => [],
        );
  return { ca: [own, ...extra, ...rootCertificates] };
}

async function readCaFile(file: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (error) {
    const why =
      errnoOf(error) === "ENOENT" ? "it does not exist" : `it cannot be read (${errnoOf(error) ?? "unknown"})`;
    throw usageError("CA_FILE_INVALID", `cannot use the CA file ${file}: ${why}`, { cause: error });
  }
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw usageError("CA_FILE_INVALID", `cannot use the CA file ${file}: it holds no PEM certificate`, {
    hint: "a PEM certificate starts with -----BEGIN CERTIFICATE-----",
  });
}

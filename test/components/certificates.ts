import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { aptProgram } from "./apt.ts";
import { runOk } from "./run.ts";

/** PEM files. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** An authority nobody else trusts, and a server certificate it signed. `caFile` is alone in its folder, as skopeo wants it. */
export interface ServerIdentity extends Certificate {
  readonly caFile: string;
}

/** A server certificate for an IP address or DNS name, signed by a fresh authority. Needs openssl 3 (Debian: installed). */
export async function createServerIdentity(directory: string, host: string): Promise<ServerIdentity> {
  const openssl = await aptProgram("openssl");
  const file = (name: string): string => join(directory, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
  const caFile = join(directory, "authority", "ca.crt");
  await mkdir(join(directory, "authority"));
  const ca = ["-keyout", file("ca.key"), "-out", caFile, "-subj", "/CN=wasme test authority"];
  await runOk(openssl, ["req", "-x509", ...key, "-days", "30", ...authority, ...ca]);
  const names = /^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`;
  const own = ["-keyout", file("tls.key"), "-out", file("tls.crt"), "-subj", `/CN=${host}`];
  const leaf = ["-addext", `subjectAltName=${names}`, "-addext", "basicConstraints=critical,CA:FALSE"];
  const signer = ["-CA", caFile, "-CAkey", file("ca.key")];
  await runOk(openssl, ["req", "-x509", ...key, "-days", "30", ...leaf, ...signer, ...own]);
  return { caFile, certificate: file("tls.crt"), key: file("tls.key") };
}

/** A self-signed RSA certificate that a token server signs with. */
export async function createSigningCertificate(directory: string): Promise<Certificate> {
  const openssl = await aptProgram("openssl");
  const certificate = join(directory, "token.crt");
  const key = join(directory, "token.key");
  const made = ["-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=wasme test tokens"];
  await runOk(openssl, ["req", "-x509", ...made, "-keyout", key, "-out", certificate]);
  return { certificate, key };
}

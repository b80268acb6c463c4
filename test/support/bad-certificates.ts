import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { aptProgram } from "../components/apt.ts";
import { runOk } from "../components/run.ts";

/** A certificate of its own authority, and its key. */
export interface OwnCertificate {
  /** PEM. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The certificate as a file: whoever trusts it names it as authority. */
  readonly caFile: string;
}

/** Makes a self-signed certificate for an IP address; one that has expired when `days` is below zero. Needs openssl 3. */
export async function selfSigned(directory: string, address: string, days: number): Promise<OwnCertificate> {
  const openssl = await aptProgram("openssl");
  const file = (name: string): string => join(directory, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("own.key")];
  await runOk(openssl, ["req", "-new", ...key, "-subj", "/CN=wasme test", "-out", file("own.csr")]);
  await writeFile(file("own.ext"), `subjectAltName=IP:${address}\nbasicConstraints=critical,CA:TRUE\n`);
  const sign = ["-signkey", file("own.key"), "-days", String(days), "-extfile", file("own.ext")];
  await runOk(openssl, ["x509", "-req", "-in", file("own.csr"), ...sign, "-out", file("own.crt")]);
  const [cert, secret] = await Promise.all([readFile(file("own.crt")), readFile(file("own.key"))]);
  return { cert, key: secret, caFile: file("own.crt") };
}

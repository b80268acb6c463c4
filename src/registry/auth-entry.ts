import { isObject } from "../domain/json.ts";
import type { Credential } from "./credential.ts";

/**
 * Reads one value of an `auths` object: `identitytoken` before `registrytoken` before `auth` (base64 of `user:password`,
 * the password may hold colons) before `username` and `password`. `undefined` when it holds no secret.
 */
export function parseAuthEntry(value: unknown): Credential | undefined {
  if (!isObject(value)) return undefined;
  const pair = decodeAuth(text(value, "auth"));
  const username = text(value, "username") || pair.username;
  const password = text(value, "password") || pair.password;
  const identity = text(value, "identitytoken");
  if (identity !== "") return { kind: "identity-token", username, token: identity };
  const token = text(value, "registrytoken");
  if (token !== "") return { kind: "registry-token", token };
  return username === "" && password === "" ? undefined : { kind: "basic", username, password };
}

/** The `auths` value for a credential, as Docker writes it. */
export function formatAuthEntry(credential: Credential): Readonly<Record<string, string>> {
  if (credential.kind === "registry-token") return { registrytoken: credential.token };
  const password = credential.kind === "basic" ? credential.password : "";
  const auth = Buffer.from(`${credential.username}:${password}`).toString("base64");
  return credential.kind === "basic" ? { auth } : { auth, identitytoken: credential.token };
}

function decodeAuth(auth: string): { readonly username: string; readonly password: string } {
  const plain = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/u, "");
  const colon = plain.indexOf(":");
  if (colon === -1) return { username: "", password: "" };
  return { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

function text(value: Record<string, unknown>, key: string): string {
  const found = value[key];
  return typeof found === "string" ? found : "";
}

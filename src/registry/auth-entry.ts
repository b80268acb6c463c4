import { isObject } from "../domain/json.ts";
import type { Credential } from "./credential.ts";

/** What an `auths` object holds under a key. `damaged`: there is an `auth`, but it is no `user:password` in base64. */
export type AuthEntry = Credential | "damaged" | undefined;

/**
 * Reads one value of an `auths` object: `identitytoken` before `registrytoken` before `auth` (base64 of `user:password`,
 * the password may hold colons) before `username` and `password`. `undefined` when it holds no secret.
 */
export function parseAuthEntry(value: unknown): AuthEntry {
  if (!isObject(value)) return undefined;
  const auth = text(value, "auth");
  const pair = decodeAuth(auth);
  const username = pair?.username ?? text(value, "username");
  const password = pair?.password ?? text(value, "password");
  const identity = text(value, "identitytoken");
  if (identity !== "") return { kind: "identity-token", username, token: identity };
  const token = text(value, "registrytoken");
  if (token !== "") return { kind: "registry-token", token };
  if (username === "" && password === "") return auth === "" || pair !== undefined ? undefined : "damaged";
  return basicCredential(username, password);
}

/** The user name that marks a password as a refresh token. */
export const TOKEN_USER = "<token>";

/** A user name and a password, or the refresh token they stand for. */
export function basicCredential(username: string, password: string): Credential {
  if (username === TOKEN_USER) return { kind: "identity-token", username: "", token: password };
  return { kind: "basic", username, password };
}

/** The `auths` value for a credential, as Docker writes it. */
export function formatAuthEntry(credential: Credential): Readonly<Record<string, string>> {
  if (credential.kind === "registry-token") return { registrytoken: credential.token };
  const password = credential.kind === "basic" ? credential.password : "";
  const auth = Buffer.from(`${credential.username}:${password}`).toString("base64");
  return credential.kind === "basic" ? { auth } : { auth, identitytoken: credential.token };
}

/** `undefined` for what is no pair. Docker pads short secrets with zero bytes. */
function decodeAuth(auth: string): { readonly username: string; readonly password: string } | undefined {
  const plain = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/u, "");
  const colon = plain.indexOf(":");
  return colon === -1 ? undefined : { username: plain.slice(0, colon), password: plain.slice(colon + 1) };
}

function text(value: Record<string, unknown>, key: string): string {
  const found = value[key];
  return typeof found === "string" ? found : "";
}

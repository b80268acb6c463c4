/** A way to prove who is asking. Secrets: never logged, never in an error. */
export type Credential = Secret & {
  /** Where it was found, for messages: a file, a variable or a program; absent when it was typed. */
  readonly source?: string;
};

type Secret =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** A refresh token, to be exchanged at the token endpoint (Docker's `identitytoken`). */
  | { readonly kind: "identity-token"; readonly username: string; readonly token: string }
  /** A bearer token to be sent as it is (Docker's `registrytoken`). */
  | { readonly kind: "registry-token"; readonly token: string };

/**
 * Finds the credential for a registry (`host[:port]` as in image references) and a repository below it, or `undefined`
 * when nobody is logged in. Asked only after the registry wanted to know.
 */
export type CredentialSource = (host: string, repository?: string) => Promise<Credential | undefined>;

/** Nobody is logged in anywhere. */
export const anonymous: CredentialSource = () => Promise.resolve(undefined);

/** The value of a Basic `authorization` header (RFC 7617, UTF-8). */
export function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

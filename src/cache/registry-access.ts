import { digestOf } from "../domain/digest.ts";
import type { ImageReference } from "../domain/image-reference.ts";
import type { RemoteRepository } from "../images/remote.ts";
import { findAuth, parseAuthFile } from "../registry/auth-file.ts";
import type { RegistryClient } from "../registry/client.ts";
import type { CredentialSource } from "../registry/credential.ts";

/** How registries are reached. */
export interface RegistryAccessDeps {
  /** The cache's own credentials, for all images; read anew whenever a registry asks. */
  readonly common: CredentialSource;
  /** Makes a client; every one has its own connections and tokens. */
  readonly createClient: (credentials: CredentialSource) => RegistryClient;
}

/** A repository, and whether it wanted to know who we are. */
export interface OpenRepository {
  readonly repository: RemoteRepository;
  readonly usedCredential: () => boolean;
}

/**
 * Clients by pull secret: tokens got with one secret are never used for an image of another. A secret that changed is
 * another one.
 */
export class RegistryAccess {
  readonly #deps: RegistryAccessDeps;
  readonly #clients = new Map<string, RegistryClient>();
  /** Repositories that asked for a credential and were given one, by client. */
  readonly #asked = new Set<string>();

  constructor(deps: RegistryAccessDeps) {
    this.#deps = deps;
  }

  /**
   * Opens a repository with the docker configuration `secret` first, then with the cache's own. Throws
   * `AUTH_FILE_INVALID` (usage) for a secret that cannot be read.
   */
  open(reference: ImageReference, secret: string | undefined): OpenRepository {
    const key = secret === undefined ? "" : digestOf(secret);
    const client = this.#clients.get(key) ?? this.#create(key, secret);
    const place = placeOf(key, reference.host, reference.repository);
    return { repository: client.repository(reference), usedCredential: () => this.#asked.has(place) };
  }

  /** Forgets tokens and credentials that were refused: the next try asks for them anew. */
  forget(secret: string | undefined): void {
    const key = secret === undefined ? "" : digestOf(secret);
    // Not closed: another pull may be in the middle of it. Its idle connections end by themselves.
    this.#clients.delete(key);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #create(key: string, secret: string | undefined): RegistryClient {
    const own = secret === undefined ? undefined : parseAuthFile(secret, "the pull secret");
    const client = this.#deps.createClient(async (host, repository) => {
      const found = own === undefined ? undefined : findAuth(own, host, repository);
      const credential = found ?? (await this.#deps.common(host, repository));
      if (credential !== undefined) this.#asked.add(placeOf(key, host, repository ?? ""));
      return credential;
    });
    this.#clients.set(key, client);
    return client;
  }
}

function placeOf(key: string, host: string, repository: string): string {
  return `${key} ${host}/${repository}`;
}

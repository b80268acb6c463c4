import type { MountSources } from "../domain/content.ts";
import { type Scope, repositoryScope } from "./scopes.ts";
import type { Session } from "./session.ts";

/** One repository of one registry, as the requests see it. */
export class RepositoryContext {
  readonly session: Session;
  /** `team/filter`. */
  readonly repository: string;
  /** As messages name it: `team/filter` or `team/filter:v1`. */
  readonly name: string;
  /** Where a blob may be mounted from. */
  readonly mountFrom: MountSources;
  #access: "pull" | "push";

  constructor(
    session: Session,
    names: { readonly repository: string; readonly name: string; readonly mountFrom: MountSources },
    access: "pull" | "push",
  ) {
    this.session = session;
    this.repository = names.repository;
    this.name = names.name;
    this.mountFrom = names.mountFrom;
    this.#access = access;
  }

  /** What tokens must allow. */
  scopes(): readonly Scope[] {
    return [repositoryScope(this.repository, this.#access)];
  }

  /** From now on tokens must allow writing. */
  willWrite(): void {
    this.#access = "push";
  }
}

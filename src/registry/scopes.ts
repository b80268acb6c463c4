/** What a token must allow, as the token protocol writes it: `repository:team/filter:pull,push`. */
export type Scope = string;

/** The scope for reading or for writing a repository. Writing asks for both at once: one token serves a whole push. */
export function repositoryScope(repository: string, access: "pull" | "push"): Scope {
  return `repository:${repository}:${access === "push" ? "pull,push" : "pull"}`;
}

/** Both lists as one: actions on the same resource are joined, everything in a stable order. */
export function mergeScopes(first: readonly Scope[], second: readonly Scope[]): readonly Scope[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of [...first, ...second]) {
    const cut = scope.lastIndexOf(":");
    const resource = cut === -1 ? scope : scope.slice(0, cut);
    const known = actions.get(resource) ?? new Set();
    for (const action of cut === -1 ? [] : scope.slice(cut + 1).split(",")) known.add(action);
    actions.set(resource, known);
  }
  const merged = [...actions].map(([resource, set]) =>
    set.size === 0 ? resource : `${resource}:${[...set].toSorted().join(",")}`,
  );
  return merged.toSorted();
}

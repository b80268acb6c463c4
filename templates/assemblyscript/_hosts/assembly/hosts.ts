/** Whether a configured host is one: a name, or with one `*` at its beginning or end. */
export function isHostPattern(pattern: string): bool {
  const star = pattern.indexOf("*");
  const last = pattern.length - 1;
  return last >= 0 && (star < 0 || (star == pattern.lastIndexOf("*") && (star == 0 || star == last)));
}

/**
 * Whether a request's `:authority` is one of the hosts; without any hosts it always is. The port and the case do not
 * matter, and a `*` at the beginning or the end stands for any text.
 *
 * @param patterns In lower case.
 */
export function matchesHost(patterns: string[], authority: string): bool {
  if (patterns.length == 0) return true;
  const host = withoutPort(authority).toLowerCase();
  for (let i = 0; i < patterns.length; i++) {
    const pattern = patterns[i];
    if (pattern.startsWith("*") ? host.endsWith(pattern.slice(1)) : pattern.endsWith("*") ? host.startsWith(pattern.slice(0, -1)) : host == pattern) return true;
  }
  return false;
}

/** A host without `:8080`; an address of IPv6 (`[::1]:8080`) keeps its own colons. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(":");
  return colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
}

/** A `:path` without its query: what rules are about. */
export function withoutQuery(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

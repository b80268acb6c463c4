/** Which cache: the name all its objects have, and where they are. */
export interface CacheName {
  readonly namespace: string;
  readonly name: string;
}

/** The cache that an annotation, or a title, names as `namespace/name`. */
export function cacheOf(text: string): CacheName {
  const slash = text.indexOf("/");
  return { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

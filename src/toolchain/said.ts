/** What a compiler's output says about why it failed. */
export interface Said {
  /** Its first error, in one line. */
  readonly first: string | undefined;
  /** How many errors it counted. */
  readonly count: number;
}

/** `: 3 errors, the first: …` as the end of a sentence; empty when nothing is known. */
export function saidSuffix({ first, count }: Said): string {
  if (first === undefined) return "";
  return count > 1 ? `: ${count} errors, the first: ${first}` : `: ${first}`;
}

/**
 * Whether a text as a whole is as a pattern says: a `*` stands for any text, also none; everything else for itself.
 * Only the last `*` is ever tried again, so that no pattern takes longer than the lengths multiplied.
 */
export function matchesGlob(pattern: string, text: string): bool {
  let at = 0;
  let star = -1;
  let starText = 0;
  for (let i = 0; i < text.length; ) {
    if (at < pattern.length && pattern.charCodeAt(at) == 42) {
      star = at++;
      starText = i;
    } else if (at < pattern.length && pattern.charCodeAt(at) == text.charCodeAt(i)) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++starText;
    } else {
      return false;
    }
  }
  while (at < pattern.length && pattern.charCodeAt(at) == 42) at++;
  return at == pattern.length;
}

/** One link: `<target>` and its parameters, of which a quoted value may hold anything (RFC 8288 section 3). */
const LINK = /<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))?)*)/gu;
const REL = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))/iu;
/** zot 1.4 leaves the angle brackets out. */
const BARE_NEXT = /^\s*([^<>,;\s]+)\s*;\s*rel\s*=\s*"?next"?\s*$/iu;

/** The target of the link whose relation is `next`, as it is written; `undefined` when there is none. */
export function nextLink(header: string | readonly string[] | undefined): string | undefined {
  const text = typeof header === "string" ? header : (header ?? []).join(", ");
  for (const [, target, params = ""] of text.matchAll(LINK)) {
    const [, quoted, plain = ""] = REL.exec(params) ?? [];
    if ((quoted ?? plain).toLowerCase().split(/\s+/u).includes("next")) return target;
  }
  return BARE_NEXT.exec(text)?.[1];
}

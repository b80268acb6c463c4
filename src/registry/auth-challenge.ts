/** One way to authenticate a server offers. */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly params: Readonly<Record<string, string>>;
}

const SCHEME = /[\s,]*(?<scheme>[!#$%&'*+.^_`|~\w-]+)/uy;
const TOKEN68 = /[ \t]+[\w.~+/-]+=*[ \t]*(?=,|$)/uy;
const PARAM = /[\s,]*(?<name>[!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^\s,"]+))/uy;

/**
 * Parses a `www-authenticate` value: several schemes, several headers joined by commas, quoted commas, unquoted values,
 * a token68 (RFC 9110 section 11.6.1). What cannot be parsed ends the list; it never throws.
 */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  const reader = { text: header ?? "", at: 0 };
  const challenges: Challenge[] = [];
  for (let found = take(reader, SCHEME); found !== undefined; found = take(reader, SCHEME)) {
    const params = take(reader, TOKEN68) === undefined ? takeParams(reader) : {};
    challenges.push({ scheme: (found["scheme"] ?? "").toLowerCase(), params });
  }
  return challenges;
}

interface Reader {
  readonly text: string;
  at: number;
}

function takeParams(reader: Reader): Readonly<Record<string, string>> {
  const params = new Map<string, string>();
  for (let found = take(reader, PARAM); found !== undefined; found = take(reader, PARAM)) {
    const { name = "", quoted, plain = "" } = found;
    const key = name.toLowerCase();
    if (!params.has(key)) params.set(key, quoted?.replaceAll(/\\(.)/gu, "$1") ?? plain);
  }
  return Object.fromEntries(params);
}

/** What `pattern` finds at the reader's place, which moves behind it. */
function take(reader: Reader, pattern: RegExp): Record<string, string | undefined> | undefined {
  pattern.lastIndex = reader.at;
  const match = pattern.exec(reader.text);
  if (match === null) return undefined;
  reader.at = pattern.lastIndex;
  return match.groups ?? {};
}

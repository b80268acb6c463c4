import { GoogleHeaders } from "./google-headers.ts";

/** Which first line is expected. */
export type Http1Kind = "request" | "response";

/** HTTP/1 text that cannot be read. */
export class Http1Problem extends Error {
  override readonly name: string = "Http1Problem";
}

/**
 * The headers an HTTP/1 text becomes before a filter sees them: pseudo headers of the first line, names in lower case,
 * `host` as `:authority`. Lines may end in `\n` alone and the empty line may be missing. Throws {@link Http1Problem}.
 */
export function readHttp1Headers(text: string, kind: Http1Kind): GoogleHeaders {
  const [first = "", ...lines] = linesOf(text);
  const fields = lines.map(fieldOf);
  const headers = new GoogleHeaders();
  const pseudo = kind === "request" ? requestLine(first) : statusLine(first);
  for (const [name, value] of Object.entries(pseudo)) headers.add(name, value);
  const host = fields.find(([name]) => name === "host")?.[1];
  // In absolute form the host of the first line wins; the header goes either way.
  if (kind === "request" && host !== undefined && host !== "" && !headers.has(":authority")) {
    headers.add(":authority", host);
  }
  const takesHost = headers.has(":authority");
  for (const [name, value] of fields) if (name !== "host" || !takesHost) headers.add(name, value);
  return headers;
}

/** Lines up to the first empty one; a line that begins with a space goes on with the one before it. */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.replace(/^(?:\r?\n)+/u, "").split(/\r?\n/u)) {
    if (line === "") break;
    if (/^[ \t]/u.test(line) && lines.length > 1) lines.push(`${lines.pop() ?? ""} ${line.trim()}`);
    else lines.push(line);
  }
  return lines;
}

function fieldOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  if (colon < 1) throw new Http1Problem(`"${line}" is no header line: "name: value" is expected`);
  const name = line.slice(0, colon).trim();
  return [name.replace(/[A-Z]+/gu, (letters) => letters.toLowerCase()), line.slice(colon + 1).trim()];
}

function requestLine(line: string): Record<string, string> {
  const [, method = "", target = ""] = /^(\S+)\s+(\S+)(?:\s+HTTP\/\d(?:\.\d)?)?\s*$/u.exec(line) ?? [];
  if (method === "") throw new Http1Problem(`"${line}" is no request line: "GET /path HTTP/1.1" is expected`);
  const absolute = urlOf(target);
  if (absolute !== undefined) {
    const { protocol, pathname, search, host } = absolute;
    const path = `${pathname}${search}`;
    return {
      ":method": method,
      ":scheme": protocol.slice(0, -1),
      ":path": path === "" ? "/" : path,
      ":authority": host,
    };
  }
  const joined = urlOf(target, "http://example.com");
  if (joined === undefined || `${joined.pathname}${joined.search}` !== target) {
    throw new Http1Problem(`"${target}" is neither a path that begins with a slash nor a whole URL`);
  }
  return { ":method": method, ":path": target };
}

function urlOf(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}

function statusLine(line: string): Record<string, string> {
  const code = /^HTTP\/\d(?:\.\d)?\s+(\d{3})(?:\s|$)/u.exec(line)?.[1];
  if (code === undefined) throw new Http1Problem(`"${line}" is no status line: "HTTP/1.1 200 OK" is expected`);
  return { ":status": code };
}

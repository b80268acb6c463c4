import { ConfigurationObject } from "./proxy-wasm";

/** Sends the client to another place. */
export class Redirect {
  readonly status: u32;
  private to: string;
  private keepPath: bool;
  private keepQuery: bool;

  constructor(configuration: ConfigurationObject) {
    this.to = configuration.text("to");
    if (!isPlace(this.to)) configuration.refuse("to", "must be a path, or an address with http:// or https://");
    this.status = <u32>configuration.wholeNumber("status", 301, 308, 302);
    if (this.status > 303 && this.status < 307) configuration.refuse("status", "must be 301, 302, 303, 307 or 308");
    this.keepPath = configuration.flag("keep_path", false);
    this.keepQuery = configuration.flag("keep_query", true);
    if (this.keepPath && this.to.includes("?")) configuration.refuse("keep_path", "does not go with a query in to");
  }

  /**
   * @param rest What is to be kept of the path.
   * @param query Without the `?`; empty for none.
   */
  location(rest: string, query: string): string {
    let location = this.keepPath ? join(this.to, rest) : this.to;
    if (this.keepQuery && query.length > 0) location += (location.includes("?") ? "&" : "?") + query;
    return location;
  }
}

/**
 * One slash between them, whatever they begin and end with: `//` at the beginning of a location, or text right behind
 * the name of a host, would lead to somebody else's host.
 */
function join(to: string, rest: string): string {
  let start = 0;
  while (start < rest.length && isSlash(rest.charCodeAt(start))) start++;
  if (start == rest.length) return to;
  return (to.endsWith("/") ? to : to + "/") + rest.slice(start);
}

function isPlace(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 33 || unit > 126 || unit == 35) return false;
  }
  if (text.startsWith("/")) return text.length == 1 || !isSlash(text.charCodeAt(1));
  const host = text.startsWith("https://") ? 8 : text.startsWith("http://") ? 7 : 0;
  return host > 0 && text.length > host && beginsHost(text.charCodeAt(host));
}

function isSlash(unit: i32): bool {
  return unit == 47 || unit == 92;
}

function beginsHost(unit: i32): bool {
  const lower = unit | 32;
  return (unit >= 48 && unit <= 57) || (lower >= 97 && lower <= 122) || unit == 91;
}

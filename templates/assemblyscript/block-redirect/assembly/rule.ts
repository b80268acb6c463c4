import { ConfigurationObject, StreamContext, getTextProperty } from "./proxy-wasm";
import { matchesGlob } from "./glob";
import { isHostPattern, matchesHost, withoutPort, withoutQuery } from "./hosts";
import { Redirect } from "./redirect";

const KINDS: string[] = ["exact", "prefix", "glob"];

/** One of `rules`: conditions, all of which must hold, and what to do then. */
export class Rule {
  /** How `path` is compared: one of `KINDS`, or empty for every path. */
  private kind: string = "";
  private path: string = "";
  private hosts: string[] = [];
  private header: string = "";
  private headerValue: string = "";
  private headerHasValue: bool = false;
  private sources: string[] = [];
  /** `null` for a block. */
  redirect: Redirect | null = null;
  blockStatus: u32 = 0;
  blockBody: string = "";

  constructor(configuration: ConfigurationObject) {
    this.readPath(configuration);
    if (configuration.has("hosts")) this.hosts = configuration.texts("hosts", 1);
    for (let i = 0; i < this.hosts.length; i++) {
      if (!isHostPattern(this.hosts[i])) configuration.refuse("hosts", "may have one * at the beginning or the end of a host");
      this.hosts[i] = this.hosts[i].toLowerCase();
    }
    if (configuration.has("sources")) this.sources = configuration.texts("sources", 1);
    this.readHeader(configuration);
    const block = configuration.object("block");
    if (block) {
      this.blockStatus = <u32>block.wholeNumber("status", 200, 599, 403);
      this.blockBody = block.text("body", "blocked\n");
    }
    const redirect = configuration.object("redirect");
    if (redirect) this.redirect = new Redirect(redirect);
    if (configuration.has("block") == configuration.has("redirect")) {
      configuration.refuse("block", "or redirect must be there, and not both");
    }
  }

  private readPath(configuration: ConfigurationObject): void {
    for (let i = 0; i < KINDS.length; i++) {
      if (!configuration.has(KINDS[i])) continue;
      if (this.kind.length > 0) configuration.refuse(KINDS[i], "and " + this.kind + " exclude each other");
      this.kind = KINDS[i];
      this.path = configuration.text(this.kind);
      if (this.path.length == 0 || this.path.includes("?") || this.path.includes("#")) {
        configuration.refuse(this.kind, "must be text without a query");
      }
    }
  }

  private readHeader(configuration: ConfigurationObject): void {
    const header = configuration.object("header");
    if (!header) return;
    this.header = header.text("name");
    if (this.header.length == 0) header.refuse("name", "is empty");
    this.headerHasValue = header.has("value");
    this.headerValue = header.text("value", "");
  }

  matches(request: StreamContext, authority: string, path: string): bool {
    return (
      this.matchesPath(withoutQuery(path)) &&
      matchesHost(this.hosts, authority) &&
      this.matchesHeader(request) &&
      this.matchesSource()
    );
  }

  private matchesPath(path: string): bool {
    if (this.kind == "exact") return path == this.path;
    if (this.kind == "prefix") return path.startsWith(this.path);
    return this.kind.length == 0 || matchesGlob(this.path, path);
  }

  private matchesHeader(request: StreamContext): bool {
    if (this.header.length == 0) return true;
    const value = request.requestHeaders.get(this.header);
    return value !== null && (!this.headerHasValue || value == this.headerValue);
  }

  private matchesSource(): bool {
    if (this.sources.length == 0) return true;
    const property = getTextProperty("source.address");
    if (property === null) return false;
    let address = withoutPort(property);
    if (address.startsWith("[")) address = address.slice(1, -1);
    for (let i = 0; i < this.sources.length; i++) {
      const source = this.sources[i];
      const isBeginning = source.endsWith(".") || source.endsWith(":");
      if (isBeginning ? address.startsWith(source) : address == source) return true;
    }
    return false;
  }

  /** What a redirect keeps of the path. */
  restOf(path: string): string {
    const plain = withoutQuery(path);
    return this.kind == "prefix" ? plain.slice(this.path.length) : plain;
  }
}

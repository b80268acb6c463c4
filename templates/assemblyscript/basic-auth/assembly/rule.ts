import { ConfigurationObject, encodeText } from "./proxy-wasm";
import { decodeBase64 } from "./base64";
import { isHostPattern, matchesHost, withoutQuery } from "./hosts";

const KINDS: string[] = ["prefix", "exact", "suffix"];

/** One of `basic_auth_rules`: which requests it is about, and who gets in. */
export class Rule {
  private hosts: string[] = [];
  /** How `path` is compared; one of `KINDS`. */
  private kind: string = "";
  private path: string = "";
  private methods: string[];
  /** `user:password` as bytes: a password need not be text. */
  private credentials: Uint8Array[] = [];

  constructor(configuration: ConfigurationObject) {
    this.methods = configuration.texts("request_methods", 1);
    this.readPath(configuration);
    const hosts = configuration.texts("hosts");
    for (let i = 0; i < hosts.length; i++) {
      if (!isHostPattern(hosts[i])) configuration.refuse("hosts", "may have one * at the beginning or the end of a host");
      this.hosts.push(hosts[i].toLowerCase());
    }
    const credentials = configuration.texts("credentials", 1);
    for (let i = 0; i < credentials.length; i++) {
      const bytes = credentials[i].includes(":") ? utf8(credentials[i]) : decodeBase64(credentials[i]);
      if (bytes && bytes.includes(58)) this.credentials.push(bytes);
      else configuration.refuse("credentials[" + i.toString() + "]", "must be user:password, or base64 of that");
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
    if (this.kind.length == 0) configuration.refuse("prefix", "is missing, or else exact or suffix");
  }

  /** Whether a request needs the credentials of this rule. */
  matches(method: string, authority: string, path: string): bool {
    return this.methods.includes(method) && this.matchesPath(withoutQuery(path)) && matchesHost(this.hosts, authority);
  }

  private matchesPath(path: string): bool {
    if (this.kind == "prefix") return path.startsWith(this.path);
    return this.kind == "exact" ? path == this.path : path.endsWith(this.path);
  }

  /** Whether these are credentials of the rule. Takes the same time whichever it is and wherever they differ. */
  accepts(credentials: Uint8Array): bool {
    let accepted = false;
    for (let i = 0; i < this.credentials.length; i++) accepted = equal(this.credentials[i], credentials) || accepted;
    return accepted;
  }
}

/** Compares all bytes, so that the time says nothing about how many are right. */
function equal(one: Uint8Array, other: Uint8Array): bool {
  let difference = one.length ^ other.length;
  for (let i = 0; i < other.length; i++) difference |= other[i] ^ (i < one.length ? one[i] : 0);
  return difference == 0;
}

function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(encodeText(text));
}

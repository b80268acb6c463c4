import { HeadersAction, RootContext, StreamContext, readConfiguration, registerFilterWithRoot } from "./proxy-wasm";
import { decodeBase64 } from "./base64";
import { Rule } from "./rule";
export * from "./proxy-wasm/exports";

/** The rules of a configured filter. */
class Rules extends RootContext {
  private rules: Rule[] = [];
  private challenge: string = "";

  override onConfigure(): bool {
    const configuration = readConfiguration(this.configuration);
    const rules = configuration.objects("basic_auth_rules", 1);
    this.rules = [];
    for (let i = 0; i < rules.length; i++) this.rules.push(new Rule(rules[i]));
    const realm = configuration.text("realm", "istio");
    if (hasControlCharacter(realm)) configuration.refuse("realm", "must not have line breaks");
    this.challenge = 'Basic realm="' + realm.replaceAll("\\", "\\\\").replaceAll('"', '\\"') + '"';
    return configuration.accepted();
  }

  /** Lets a request go on, or answers 401. */
  check(request: StreamContext): HeadersAction {
    const headers = request.requestHeaders;
    const method = orEmpty(headers.get(":method"));
    const authority = orEmpty(headers.get(":authority"));
    const path = orEmpty(headers.get(":path"));
    for (let i = 0; i < this.rules.length; i++) {
      if (!this.rules[i].matches(method, authority, path)) continue;
      const token = basicToken(headers.get("authorization"));
      if (token === null) return this.refuse(request, "user name and password needed\n");
      const credentials = decodeBase64(token);
      if (!credentials || !this.rules[i].accepts(credentials)) {
        return this.refuse(request, "wrong user name or password\n");
      }
    }
    return HeadersAction.Continue;
  }

  private refuse(request: StreamContext, body: string): HeadersAction {
    request.sendLocalReply(401, body, [["www-authenticate", this.challenge]], -1, "basic_auth");
    return HeadersAction.Pause;
  }
}

/** Asks for a user name and a password (RFC 7617) where a rule says so. */
class BasicAuth extends StreamContext {
  override onRequestHeaders(endOfStream: bool): HeadersAction {
    return (this.root as Rules).check(this);
  }
}

/** What follows the word Basic; `null` when the header is not there or speaks of something else. */
function basicToken(authorization: string | null): string | null {
  if (authorization === null || authorization.slice(0, 5).toLowerCase() != "basic") return null;
  if (authorization.length > 5 && authorization.charCodeAt(5) != 32) return null;
  return authorization.slice(5).trim();
}

function orEmpty(text: string | null): string {
  return text === null ? "" : text;
}

function hasControlCharacter(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 32 || unit == 127) return true;
  }
  return false;
}

registerFilterWithRoot<BasicAuth, Rules>("basic_auth");

import { Counter, HeadersAction, RootContext, StreamContext, readConfiguration, registerFilterWithRoot } from "./proxy-wasm";
import { Rule } from "./rule";
export * from "./proxy-wasm/exports";

const blocked: Counter = new Counter("block_redirect.blocked");
const redirected: Counter = new Counter("block_redirect.redirected");

/** The rules of a configured filter. */
class Rules extends RootContext {
  private rules: Rule[] = [];

  override onConfigure(): bool {
    const configuration = readConfiguration(this.configuration);
    const rules = configuration.objects("rules", 1);
    this.rules = [];
    for (let i = 0; i < rules.length; i++) this.rules.push(new Rule(rules[i]));
    return configuration.accepted();
  }

  /** The first rule that fits, or `null`. */
  find(request: StreamContext, authority: string, path: string): Rule | null {
    for (let i = 0; i < this.rules.length; i++) {
      if (this.rules[i].matches(request, authority, path)) return this.rules[i];
    }
    return null;
  }
}

/** Blocks requests, or sends clients elsewhere, where a rule says so. */
class BlockRedirect extends StreamContext {
  override onRequestHeaders(endOfStream: bool): HeadersAction {
    const path = orEmpty(this.requestHeaders.get(":path"));
    const rule = (this.root as Rules).find(this, orEmpty(this.requestHeaders.get(":authority")), path);
    if (!rule) return HeadersAction.Continue;
    const redirect = rule.redirect;
    if (redirect) {
      redirected.increment();
      const query = path.indexOf("?");
      const location = redirect.location(rule.restOf(path), query < 0 ? "" : path.slice(query + 1));
      this.sendLocalReply(redirect.status, "", [["location", location]], -1, "block_redirect");
    } else {
      blocked.increment();
      this.sendLocalReply(rule.blockStatus, rule.blockBody, [], -1, "block_redirect");
    }
    return HeadersAction.Pause;
  }
}

function orEmpty(text: string | null): string {
  return text === null ? "" : text;
}

registerFilterWithRoot<BlockRedirect, Rules>("block_redirect");

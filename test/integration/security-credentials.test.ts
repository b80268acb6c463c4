import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../src/domain/events.ts";
import { parseImageReference } from "../../src/domain/image-reference.ts";
import type { HttpRequest } from "../../src/platform/http-transport.ts";
import { createRegistryClient, type RegistryClientOptions } from "../../src/registry/client.ts";
import type { Repository } from "../../src/registry/repository.ts";
import { bytesSource } from "../../src/domain/content.ts";
import { testImage } from "../support/fault-image.ts";
import { type ScriptedAnswer, scriptedTransport, type ScriptedTransport } from "../support/scripted-transport.ts";

/** What a registry, or somebody it sends us to, may not get out of a client. */
describe("what belongs to a registry alone", () => {
  const SECRET = "s3cret-passw0rd";
  const image = testImage(10);

  function open(
    answer: (request: HttpRequest) => ScriptedAnswer,
    options: Partial<RegistryClientOptions> = {},
  ): { readonly repository: Repository; readonly sent: ScriptedTransport } {
    const sent = scriptedTransport(answer);
    const client = createRegistryClient({
      env: {},
      transport: sent,
      credentials: () => Promise.resolve({ kind: "basic", username: "alice", password: SECRET }),
      ...options,
    });
    return { repository: client.repository(parseImageReference("registry.example.com:5000/team/filter:v1")), sent };
  }

  const wantsBasic = { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } };
  const goTo = (location: string): ScriptedAnswer => ({ status: 307, headers: { location } });

  it("does not go along with a redirect that comes back from elsewhere", async () => {
    const { repository, sent } = open(({ url, headers }) => {
      if (url.host === "cdn.example.net") return goTo("https://registry.example.com:5000/v2/other/blobs/secret");
      if (url.pathname.includes("/other/")) return { status: 403 };
      return headers?.["authorization"] === undefined ? wantsBasic : goTo("https://cdn.example.net/blob");
    });
    await repository.exists(image.moduleDescriptor).catch(() => undefined);
    const last = sent.requests.at(-1);
    expect(last?.url.pathname).toBe("/v2/other/blobs/secret");
    expect(last?.headers?.["authorization"]).toBeUndefined();
    expect(sent.requests.some(({ headers }) => headers?.["authorization"] !== undefined)).toBe(true);
  });

  it("is not sent at the word of another host that answers for the base of the API", async () => {
    const { repository, sent } = open(({ url }) => {
      if (url.host === "evil.example.net") {
        return { status: 401, headers: { "www-authenticate": 'Bearer realm="https://evil.example.net/token"' } };
      }
      return url.pathname === "/v2/" ? goTo("https://evil.example.net/v2/") : { status: 401 };
    });
    await repository.exists(image.moduleDescriptor).catch(() => undefined);
    const there = sent.requests.filter(({ url }) => url.host === "evil.example.net");
    expect(there.map(({ url }) => url.pathname)).toEqual(["/v2/"]);
    expect(there.every(({ headers }) => headers?.["authorization"] === undefined)).toBe(true);
  });

  it("a client certificate is shown at the registry's own port, and at no other", async () => {
    const files = { certFile: "/client.pem", keyFile: "/client.key", caFile: "/ca.pem" };
    const { repository, sent } = open(({ url, method }) => {
      if (method === "POST")
        return { status: 202, headers: { location: "https://registry.example.com:6443/api/v1/pods/x" } };
      return url.port === "6443" ? { status: 403 } : { status: 404 };
    }, files);
    await repository.push(image.moduleDescriptor, bytesSource(image.module)).catch(() => undefined);
    const shown = sent.requests.map(({ url, tls }) => [url.port, tls?.certFile, tls?.caFile]);
    expect(shown).toContainEqual(["5000", "/client.pem", "/ca.pem"]);
    expect(shown).toContainEqual(["6443", undefined, "/ca.pem"]);
    expect(shown).not.toContainEqual(["6443", "/client.pem", "/ca.pem"]);
  });

  it("the trace shows no state of a page, no user and no signature", async () => {
    const events: ProgressEvent[] = [];
    const { repository } = open(
      ({ url, headers }) => {
        if (headers?.["authorization"] === undefined) {
          return {
            status: 401,
            headers: { "www-authenticate": 'Basic realm="https://bob:pa@ss@r.example.com/?sig=abc"' },
          };
        }
        const next = url.searchParams.has("last")
          ? {}
          : { link: '</v2/team/filter/tags/list?last=a&n=1&state=hush-hush>; rel="next"' };
        return { status: 200, headers: next, body: [Buffer.from('{"tags":["a"]}')] };
      },
      { events: (event) => events.push(event) },
    );
    expect(await repository.tags()).toEqual(["a"]);
    const { redact } = await import("../../src/domain/redact.ts");
    const text = events.map((event) => (event.type === "debug" ? redact(event.message) : "")).join("\n");
    expect(text).toContain("last=a");
    for (const secret of ["hush-hush", SECRET, "pa@ss", "ss@r", "sig=abc"]) expect(text).not.toContain(secret);
  });
});

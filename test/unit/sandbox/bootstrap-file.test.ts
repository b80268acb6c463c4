import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/domain/json.ts";
import { addressesOf, forContainer } from "../../../src/sandbox/listeners.ts";
import { formatBootstrap, parseBootstrap } from "../../../src/sandbox/read-bootstrap.ts";

describe("reading a bootstrap", () => {
  it("takes YAML with anchors, and JSON", async () => {
    expect(await parseBootstrap("a: &x {b: 1}\nc: *x\n", "f")).toEqual({ a: { b: 1 }, c: { b: 1 } });
    expect(await parseBootstrap('{"a": [1, "x"]}', "f")).toEqual({ a: [1, "x"] });
  });

  it.each([
    ["a: 1\na: 2\n", /envoy\.yaml is not an Envoy bootstrap: Map keys must be unique at line 2/u],
    ["a: [1\n", /at line/u],
    ["a: 1\n---\nb: 2\n", /multiple documents/iu],
    ["- 1\n", /it is not an object/u],
    ["", /it is not an object/u],
    ["just text", /it is not an object/u],
    ["a: *nope\n", /nope/u],
    ["a: &a {b: *a}\n", /circular/u],
    [`a: &a [1,2]\n${bomb()}`, /alias/iu],
    [`#${"x".repeat(4 * 1024 * 1024)}`, /larger than 4194304 bytes/u],
  ])("refuses %#", async (text, message) => {
    await expect(parseBootstrap(text, "envoy.yaml")).rejects.toThrow(
      expect.objectContaining({ code: "BOOTSTRAP_INVALID", kind: "usage", message: expect.stringMatching(message) }),
    );
  });

  it("quotes what Envoy's reader would take for a truth value", async () => {
    expect(await formatBootstrap({ value: "on", other: "y", flag: true }, "-")).toBe(
      'value: "on"\nother: "y"\nflag: true\n',
    );
  });

  it("writes what it can read, as YAML or by the file's name as JSON", async () => {
    const value = { a: { "@type": "x", long: "y ".repeat(100), same: [{ b: 1 }, { b: 1 }] } };
    expect(await parseBootstrap(await formatBootstrap(value, "-"), "f")).toEqual(value);
    expect(JSON.parse(await formatBootstrap(value, "envoy.json"))).toEqual(value);
  });
});

describe("the addresses of a bootstrap", () => {
  const socket = (address: string, port: number): JsonObject => ({ socket_address: { address, port_value: port } });
  const bootstrap: JsonObject = {
    admin: { address: socket("127.0.0.1", 19_000) },
    static_resources: {
      listeners: [
        { name: "a", address: socket("127.0.0.1", 8080) },
        { address: { socketAddress: { address: "0.0.0.0", portValue: 8443 } } },
        { name: "c", address: socket("::1", 9000) },
        { name: "d", address: socket("localhost", 0) },
        { name: "e", address: { pipe: { path: "/x" } } },
      ],
      clusters: [{ name: "u", endpoint: { address: socket("127.0.0.1", 3000) } }],
    },
  };

  it("are those of listeners and admin", () => {
    expect(addressesOf(bootstrap).map(({ name, address, port }) => `${name} ${address} ${port}`)).toEqual([
      "a 127.0.0.1 8080",
      "listener 0.0.0.0 8443",
      "c ::1 9000",
      "d localhost 0",
      "admin 127.0.0.1 19000",
    ]);
    expect(addressesOf({})).toEqual([]);
  });

  it("open up inside a container and stay on the host's loopback outside; clusters keep theirs", () => {
    const { bootstrap: changed, ports } = forContainer(bootstrap);
    expect(ports).toEqual([
      { host: "127.0.0.1", port: 8080 },
      { host: undefined, port: 8443 },
      { host: "::1", port: 9000 },
      { host: "127.0.0.1", port: 19_000 },
    ]);
    expect(addressesOf(changed).map((item) => item.address)).toEqual([
      "0.0.0.0",
      "0.0.0.0",
      "0.0.0.0",
      "0.0.0.0",
      "0.0.0.0",
    ]);
    expect(JSON.stringify(changed)).toContain('{"address":"127.0.0.1","port_value":3000}');
  });
});

/** Aliases of aliases: small text, 10^9 nodes. */
function bomb(): string {
  const names = "bcdefghij";
  return Array.from(names, (name, at) => {
    const before = String.fromCharCode(name.charCodeAt(0) - 1);
    return `${name}: &${name} [${Array.from({ length: 10 }, () => `*${at === 0 ? "a" : before}`).join(",")}]\n`;
  }).join("");
}

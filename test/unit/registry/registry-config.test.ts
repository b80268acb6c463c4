import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WasmeError } from "../../../src/domain/errors.ts";
import { type RegistryConfig, readRegistryConfig } from "../../../src/registry/registry-config.ts";
import { tempDir } from "../../support/temp-dir.ts";

function fileWith(content: unknown): string {
  const file = join(tempDir(), "registries.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function read(content: unknown): Promise<RegistryConfig> {
  return readRegistryConfig(fileWith(content));
}

describe("readRegistryConfig", () => {
  it("says nothing when there is no file", async () => {
    expect((await readRegistryConfig(join(tempDir(), "registries.json"))).size).toBe(0);
    expect((await readRegistryConfig(join(fileWith("{}"), "registries.json"))).size).toBe(0);
  });

  it.each([{}, { registries: {} }])("takes an empty one: %j", async (content) => {
    expect((await read(content)).size).toBe(0);
  });

  it("reads every setting; files are looked for beside it", async () => {
    const settings = {
      plainHttp: true,
      insecure: false,
      caFile: "ca.pem",
      certFile: "/etc/me.pem",
      keyFile: "keys/me.key",
      upload: "chunked",
      chunkSize: "8MiB",
      minChunkSize: 1024,
      maxChunkSize: "16 MB",
      trustRange: false,
      mount: false,
      referrers: "tag",
      tagPageSize: 500,
    };
    const file = fileWith({ registries: { "Registry.Example.com:5000": settings } });
    const config = await readRegistryConfig(file);
    expect([...config]).toEqual([
      [
        "registry.example.com:5000",
        {
          ...settings,
          caFile: join(dirname(file), "ca.pem"),
          keyFile: join(dirname(file), "keys/me.key"),
          chunkSize: 8_388_608,
          maxChunkSize: 16_000_000,
        },
      ],
    ]);
  });

  it.each([
    ["", "it is not a JSON object"],
    ["[]", "it is not a JSON object"],
    ['{"registries": {', "it is not a JSON object"],
    ['{"hosts": {}}', 'unknown key "hosts"'],
    ['{"registries": []}', '"registries" is not an object'],
    ['{"registries": {"https://ghcr.io": {}}}', '"https://ghcr.io" is not a registry host'],
    ['{"registries": {"ghcr.io/acme": {}}}', '"ghcr.io/acme" is not a registry host'],
    ['{"registries": {"": {}}}', '"" is not a registry host'],
    ['{"registries": {"ghcr.io": true}}', 'registries["ghcr.io"] is not an object'],
    ['{"registries": {"ghcr.io": {"insecrue": true}}}', 'unknown key registries["ghcr.io"].insecrue'],
    ['{"registries": {"ghcr.io": {"__proto__": {}}}}', 'unknown key registries["ghcr.io"].__proto__'],
    ['{"registries": {"ghcr.io": {"insecure": "yes"}}}', 'registries["ghcr.io"].insecure is not true or false'],
    ['{"registries": {"ghcr.io": {"caFile": ""}}}', 'registries["ghcr.io"].caFile is not the path of a file'],
    [
      '{"registries": {"ghcr.io": {"upload": "put"}}}',
      'registries["ghcr.io"].upload is not one of auto, single, chunked',
    ],
    ['{"registries": {"ghcr.io": {"chunkSize": "0"}}}', 'registries["ghcr.io"].chunkSize is not a size such as "8MiB"'],
    ['{"registries": {"ghcr.io": {"chunkSize": -5}}}', 'registries["ghcr.io"].chunkSize is not a size such as "8MiB"'],
    ['{"registries": {"ghcr.io": {"tagPageSize": 1.5}}}', 'registries["ghcr.io"].tagPageSize is not a whole number'],
    ['{"registries": {"ghcr.io": {"certFile": "a"}}}', 'registries["ghcr.io"] needs both certFile and keyFile'],
    [
      '{"registries": {"ghcr.io": {"minChunkSize": "2MiB", "maxChunkSize": "1MiB"}}}',
      'registries["ghcr.io"].minChunkSize is larger than maxChunkSize',
    ],
  ])("refuses %s", async (content, words) => {
    const file = fileWith(content);
    await expect(readRegistryConfig(file)).rejects.toMatchObject({
      code: "REGISTRY_CONFIG_INVALID",
      kind: "usage",
      message: expect.stringContaining(`cannot use ${file}: ${words}`),
    });
  });

  it("refuses a folder and a file of more than 1 MiB", async () => {
    const folder = join(tempDir(), "registries.json");
    mkdirSync(folder);
    await expect(readRegistryConfig(folder)).rejects.toMatchObject({ message: expect.stringContaining("a folder") });
    const large = read(`{"registries": {}}${" ".repeat(1024 * 1024)}`);
    await expect(large).rejects.toMatchObject({ message: expect.stringContaining("more than 1048576 bytes") });
  });

  it("knows the keys of docs/reference/registries.md, and no other", async () => {
    const hint: unknown = await read('{"registries": {"ghcr.io": {"?": 1}}}').catch((error: WasmeError) => error.hint);
    const known = String(hint).replace("known are ", "").split(", ");
    const page = readFileSync(join(import.meta.dirname, "../../../docs/reference/registries.md"), "utf8");
    const rows = page.slice(page.indexOf("| Key |"), page.indexOf("Files are looked for")).split("\n").slice(2);
    const documented: readonly string[] = rows.flatMap((row) =>
      [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/gu)].map(([, key = ""]) => key),
    );
    expect(documented.toSorted()).toEqual(known.toSorted());
  });
});

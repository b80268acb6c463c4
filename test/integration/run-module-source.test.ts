import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "../../src/domain/digest.ts";
import { ignoreEvents } from "../../src/domain/events.ts";
import { buildPrecompiled } from "../../src/images/build-precompiled.ts";
import { runProcess } from "../../src/platform/process-runner.ts";
import { type ModuleSourceDeps, resolveModule } from "../../src/sandbox/module-source.ts";
import { openStore } from "../../src/store/image-store.ts";
import { HELLO_WASM } from "../support/modules.ts";
import { tempDir } from "../support/temp-dir.ts";

const HELLO = new Uint8Array(readFileSync(HELLO_WASM));

function world(): ModuleSourceDeps & { readonly store: ReturnType<typeof openStore> } {
  const cwd = tempDir();
  return {
    cwd,
    store: openStore(join(cwd, "images")),
    paths: { home: join(cwd, "home"), tmp: cwd },
    exec: runProcess,
    env: {},
    signal: new AbortController().signal,
  };
}

test("a path that is there is a file or a folder, whatever else its name could mean", async () => {
  const deps = world();
  copyFileSync(HELLO_WASM, join(deps.cwd, "hello"));
  writeFileSync(join(deps.cwd, "runtime-config.json"), '{"config": {"rootIds": ["one", "two"]}}');
  const file = await resolveModule(deps, "hello", ignoreEvents);
  expect(file).toMatchObject({
    kind: "file",
    name: "hello",
    digest: digestOf(HELLO),
    rootIds: ["one", "two"],
    compileMs: 0,
  });
  writeFileSync(join(deps.cwd, "hello"), "changed");
  const again = await file.rebuild?.(ignoreEvents);
  expect(Buffer.from(again?.bytes ?? []).toString()).toBe("changed");
  mkdirSync(join(deps.cwd, "folder"));
  await expect(resolveModule(deps, "folder", ignoreEvents)).rejects.toMatchObject({ code: "LANGUAGE_NOT_RECOGNISED" });
});

test("an image of the local store is read from there, with its root ids; nothing is fetched", async () => {
  const deps = world();
  writeFileSync(join(deps.cwd, "runtime-config.json"), '{"type": "envoy_proxy", "config": {"rootIds": ["my_root"]}}');
  copyFileSync(HELLO_WASM, join(deps.cwd, "filter.wasm"));
  await buildPrecompiled(deps, { tag: "ghcr.io/acme/hello:v1", file: "filter.wasm", check: true }, ignoreEvents);
  const image = await resolveModule(deps, "ghcr.io/acme/hello:v1", ignoreEvents);
  expect(image).toMatchObject({ kind: "image", name: "ghcr.io/acme/hello:v1", rootIds: ["my_root"], path: undefined });
  expect(image.digest).toBe(digestOf(HELLO));
  expect(image.rebuild).toBeUndefined();
  await expect(resolveModule(deps, "ghcr.io/acme/other:v1", ignoreEvents)).rejects.toMatchObject({
    code: "IMAGE_NOT_FOUND",
    hint: expect.stringContaining("wasme pull") as string,
  });
});

test("what looks like a path and is not there is no image either", async () => {
  const deps = world();
  for (const source of ["./hello", "hello.wasm", "../no-such", "~/x", "/none/x"]) {
    await expect(resolveModule(deps, source, ignoreEvents)).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  }
});

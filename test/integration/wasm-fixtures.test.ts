import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { envoyPath, type RunningEnvoy, startEnvoy } from "../components/envoy.ts";
import { rawRequest } from "../components/raw-http.ts";
import { component } from "../components/require-component.ts";
import { fixture, helloFixtures } from "../components/wasm-fixtures.ts";
import { bootstrap } from "../conformance/support/envoy-config.ts";

const needed = [
  await component("envoy", envoyPath),
  await component("filters", () => Promise.all(helloFixtures.map((name) => fixture(name)))),
];
const missing = needed.flatMap((part) => ("skip" in part ? [part.skip] : [])).join("; ");

let folder: string;
let envoy: RunningEnvoy;

beforeAll(async () => {
  if (missing !== "") return;
  folder = await mkdtemp(join(tmpdir(), "wasme-fixtures-"));
  // A file of its own is a VM of its own: the C filter has one configuration per VM.
  for (const name of helloFixtures) {
    for (const file of [name, `${name}-configured`]) await writeFile(join(folder, file), await fixture(name));
  }
  const listeners = helloFixtures.flatMap((name) => [
    { name, filters: [{ file: name, rootId: "add_header" }] },
    {
      name: `${name}-configured`,
      filters: [{ file: `${name}-configured`, rootId: "add_header", configuration: "moon" }],
    },
  ]);
  envoy = await startEnvoy({ directory: folder, config: bootstrap(listeners, {}) });
});

afterAll(async () => {
  if (missing !== "") return;
  await envoy.stop();
  await rm(folder, { recursive: true });
});

describe.skipIf(missing !== "")(`fixture filters in Envoy${missing && `: ${missing}`}`, () => {
  it.each(helloFixtures)("%s adds its header to every response", async (name) => {
    for (const [listener, expected] of [
      [name, "world"],
      [`${name}-configured`, "moon"],
    ] as const) {
      const url = `${await envoy.listenerUrl(listener)}/`;
      for (const _ of [1, 2]) expect((await rawRequest({ url })).headers["hello"]).toBe(expected);
    }
    expect(envoy.log()).not.toMatch(/critical|error/);
  });
});

import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, vi } from "vitest";
import { tempDir } from "../../support/temp-dir.ts";

const root = new URL("../../..", import.meta.url).pathname;

/** The first example of a section of the page. */
async function example(heading: string): Promise<string> {
  const page = await readFile(join(root, "docs/reference/host-library.md"), "utf8");
  const section = page.split(`## ${heading}\n`)[1] ?? "";
  return /```js\n(?<code>[\s\S]*?)```/u.exec(section)?.groups?.["code"] ?? "";
}

it("runs the example of the page about the library", async () => {
  const folder = tempDir();
  await copyFile(join(root, "test/fixtures/filters/c-hello/filter.wasm"), join(folder, "filter.wasm"));
  const code = (await example("In Node"))
    .replace('"wasme/host"', JSON.stringify(join(root, "src/host.ts")))
    .replace('"filter.wasm"', JSON.stringify(join(folder, "filter.wasm")));
  const file = join(folder, "example.mjs");
  await writeFile(file, code);
  const said: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...words: unknown[]) => void said.push(words.join(" ")));
  await import(/* @vite-ignore */ pathToFileURL(file).href).finally(() => log.mockRestore());
  expect(said).toEqual(["upstream gets /", "client gets 200 Hello", "client gets body"]);
});

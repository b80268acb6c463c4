import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { digestOf, digestParts } from "../../src/domain/digest.ts";
import { type Child, startChild } from "../components/child.ts";
import { rawRequest } from "../components/raw-http.ts";
import { waitFor } from "../components/wait.ts";
import { testImage } from "../support/fault-image.ts";
import { drip } from "../support/fault-kinds.ts";
import { startFaultRegistry } from "../support/fault-registry.ts";
import { tempDir } from "../support/temp-dir.ts";
import { push } from "./cache-support.ts";

const BIN = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const KILLS = Number(process.env["WASME_CACHE_KILLS"] ?? "12");

it(
  `is whole after each of ${KILLS} kills, and ends with everything served`,
  async () => {
    const registry = await startFaultRegistry();
    onTestFinished(() => registry.close());
    const images = Array.from({ length: 5 }, (_, index) => testImage(200_000 + index, `kill-${index}`));
    const references = await Promise.all(images.map((image, index) => push(registry.host, `kill/k${index}:v1`, image)));
    registry.reset();
    registry.on("blob.get", drip(10, 20));
    const home = tempDir();
    const directory = join(home, "modules");
    const start = (): Promise<Child> =>
      startChild(
        process.execPath,
        [BIN, "cache", "serve", "--listen", "127.0.0.1:0", "--directory", directory, "--drain", "0", ...references],
        { cwd: home, env: { PATH: process.env["PATH"], HOME: home } },
      );
    let left = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = await start();
      await child.seen(/"msg":"serving modules"/u, 60_000);
      await sleep(Math.random() * 400);
      await child.stop("SIGKILL");
      const names = await readdir(directory);
      left += names.filter((name) => name.startsWith(".tmp-")).length;
      for (const name of names.filter((each) => each.endsWith(".wasm"))) {
        const hash = createHash("sha256").update(await readFile(join(directory, name)));
        expect(`${hash.digest("hex")}.wasm`).toBe(name);
      }
    }
    const last = await start();
    onTestFinished(() => last.stop());
    const [, url = ""] = await last.seen(/"url":"([^"]+)"/u, 60_000);
    await waitFor("readiness", async () =>
      (await rawRequest({ url: `${url}/readyz` })).status === 200 ? true : undefined,
    );
    for (const { moduleDescriptor } of images) {
      const answer = await rawRequest({ url: `${url}/${digestParts(moduleDescriptor.digest).hex}` });
      expect([answer.status, digestOf(answer.body)]).toEqual([200, moduleDescriptor.digest]);
    }
    expect((await readdir(directory)).filter((name) => name.startsWith(".tmp-"))).toEqual([]);
    await last.stop("SIGTERM");
    // Nothing but its log: a program that is told to end has no result.
    const lines = last.log().trimEnd().split("\n");
    expect([last.ended(), lines.map((line) => typeof JSON.parse(line))]).toEqual([143, lines.map(() => "object")]);
    // Kills that hit nothing prove nothing.
    expect(left).toBeGreaterThan(0);
  },
  180_000 + KILLS * 10_000,
);

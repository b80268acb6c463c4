import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { putImage } from "../support/layouts.ts";
import { MediaType } from "../../src/domain/media-types.ts";
import { openStore } from "../../src/store/image-store.ts";
import { runCli } from "../support/run-cli.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterModule, producersSection } from "../support/wasm-builder.ts";

/** Colours aside, what others wrote never moves the cursor, names the window or writes to the clipboard. */
describe("text of others on a terminal", () => {
  const EVIL = "\u001b]52;c;cGF3bmVk\u0007\u009b2J\u001b[2J";
  // oxlint-disable-next-line no-control-regex -- what must not be there
  const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u;

  it("is harmless in what inspect shows of a module and its config", async () => {
    const home = tempDir();
    const config = JSON.stringify({
      type: "envoy_proxy",
      abiVersions: ["v0.2.1"],
      config: { rootIds: [`root${EVIL}`] },
    });
    const module = filterModule({ custom: [producersSection({ "processed-by": [[`sdk${EVIL}`, `1${EVIL}`]] })] });
    await putImage(openStore(join(home, ".wasme", "images")), "localhost:5000/evil:v1", {
      config: { mediaType: MediaType.soloConfig, bytes: Buffer.from(config) },
      layers: [
        { mediaType: MediaType.soloConfig, bytes: Buffer.from(config) },
        { mediaType: MediaType.soloModule, bytes: module },
      ],
    });
    for (const output of ["text", "json", "yaml"]) {
      const shown = await runCli(["inspect", "localhost:5000/evil:v1", "-o", output], { home });
      expect(shown.code, shown.stderr).toBe(0);
      expect(shown.stdout).toContain("root");
      expect(shown.stdout, output).not.toMatch(CONTROLS);
    }
  });
});

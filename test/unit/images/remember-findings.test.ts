import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Found, rememberFindings } from "../../../src/images/remember-findings.ts";
import { tempDir } from "../../support/temp-dir.ts";

const FOUND: Found = {
  findings: [{ code: "IDLE", severity: "warning", message: "does nothing", hint: "do something" }],
  lasting: true,
};

/** Looks up something, and counts how often it was looked at. */
function looker(home: string | undefined): {
  ask(about: unknown, found?: Found): ReturnType<typeof rememberFindings>;
  looks: number;
} {
  return {
    looks: 0,
    ask(about, found = FOUND) {
      return rememberFindings(home, about, () => {
        this.looks += 1;
        return Promise.resolve(found);
      });
    },
  };
}

describe("rememberFindings", () => {
  it("looks once at the same thing, and says the same again", async () => {
    const eyes = looker(tempDir());
    expect(await eyes.ask(["sha256:a", "root"])).toEqual(FOUND.findings);
    expect(await eyes.ask(["sha256:a", "root"])).toEqual(FOUND.findings);
    expect(eyes.looks).toBe(1);
    await eyes.ask(["sha256:a", "other"]);
    expect(eyes.looks).toBe(2);
  });

  it("looks again where the next look may show something else, or nothing is to be kept", async () => {
    const eyes = looker(tempDir());
    await eyes.ask("a", { ...FOUND, lasting: false });
    await eyes.ask("a");
    expect(eyes.looks).toBe(2);
    const homeless = looker(undefined);
    await homeless.ask("a");
    await homeless.ask("a");
    expect(homeless.looks).toBe(2);
  });

  it("takes a damaged file, and entries that are no findings, for none", async () => {
    const home = tempDir();
    const [eyes, file] = [looker(home), join(home, "cache", "findings.json")];
    mkdirSync(join(home, "cache"));
    writeFileSync(file, '{"sha256:');
    await eyes.ask("a");
    const [key = ""] = Object.keys(JSON.parse(readFileSync(file, "utf8")) as object);
    for (const wrong of ['"x"', "[1]", '[{"code":"A","severity":"fatal","message":"b"}]']) {
      writeFileSync(file, `{"${key}":${wrong}}`);
      expect(await eyes.ask("a")).toEqual(FOUND.findings);
    }
    expect(eyes.looks).toBe(4);
  });

  it("keeps the newest", async () => {
    const home = tempDir();
    const eyes = looker(home);
    for (let at = 0; at < 70; at += 1) await eyes.ask(at);
    expect(Object.keys(JSON.parse(readFileSync(join(home, "cache", "findings.json"), "utf8")) as object)).toHaveLength(
      64,
    );
    await eyes.ask(69);
    expect(eyes.looks).toBe(70);
    await eyes.ask(0);
    expect(eyes.looks).toBe(71);
  });
});

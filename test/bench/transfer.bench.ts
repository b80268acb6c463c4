import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, it } from "vitest";
import { aptInstall } from "../components/apt.ts";
import { cranePath, orasPath } from "../components/go-programs.ts";
import { type RunningRegistry, startRegistry } from "../components/registry.ts";
import { runOk } from "../components/run.ts";
import { skopeoPath } from "../components/skopeo.ts";
import { writeModule } from "../support/modules.ts";
import { runCli } from "../support/run-cli.ts";
import { type Candidate, fastest, measure, report } from "./measure.ts";

const bin = fileURLToPath(new URL("../../bin/wasme.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "wasme-bench-"));
const programs = { crane: "", oras: "", skopeo: "" };
let plain: RunningRegistry;
let secure: RunningRegistry;

beforeAll(async () => {
  await aptInstall(["time"]);
  programs.skopeo = await skopeoPath();
  programs.crane = await cranePath();
  programs.oras = await orasPath();
  [plain, secure] = await Promise.all([startRegistry({}), startRegistry({ tls: true })]);
});
afterAll(async () => {
  await Promise.all([plain.stop(), secure.stop()]);
  rmSync(work, { recursive: true, force: true });
});

const MIB = 1024 * 1024;

/** Every client copies between an OCI layout and the registry, and checks what it pulls. */
describe("push and pull, against crane, oras and skopeo", () => {
  it.each([
    ["30 KB", 30_000, 15],
    ["2 MB", 2_000_000, 15],
    ["200 MiB", 200 * MIB, 7],
  ])("%s", async (title, size, rounds) => await transfer(plain, { title, size, rounds }));

  it("200 MiB over TLS", async () => {
    await transfer(secure, { title: "200 MiB over TLS", size: 200 * MIB, rounds: 3 });
  });
});

it("round trips of wasme for 30 KB", async () => {
  const { home, stored } = await storedImage("trips", 30_000);
  const target = `${plain.host}/bench/trips:v1`;
  await runOk(process.execPath, [bin, "tag", stored, target], { env: { ...process.env, HOME: home } });
  const trips = async (command: string): Promise<string> => {
    const store = command === "pull" ? ["--store", join(home, "out")] : [];
    const { stdout } = await runCli([command, "-o", "json", ...store, target], { home });
    return String((JSON.parse(stdout) as { requests?: unknown }).requests);
  };
  const lines = [
    `push ${await trips("push")}, again ${await trips("push")}`,
    `pull ${await trips("pull")}, again ${await trips("pull")}`,
  ];
  process.stdout.write(`\nrequests of wasme for 30 KB\n  ${lines.join("; ")}\n`);
});

interface Transfer {
  readonly title: string;
  /** Bytes of the module. */
  readonly size: number;
  readonly rounds: number;
}

async function transfer(registry: RunningRegistry, { title, size, rounds }: Transfer): Promise<void> {
  const folder = title.toLowerCase().replaceAll(" ", "");
  const { home, stored } = await storedImage(folder, size);
  const layout = join(home, "layout");
  await runOk(programs.skopeo, ["copy", "-q", `oci:${join(home, ".wasme/images")}:${stored}`, `oci:${layout}:v1`]);
  const place: Place = { registry, home, layout, out: join(home, "out"), target: "", tagged: "" };
  let count = 0;
  // A repository of its own for every push; wasme may not know the one before, or it would mount the blobs from there.
  const fresh = async (name: string): Promise<void> => {
    count += 1;
    place.target = `${registry.host}/bench/${folder}-${count}:v1`;
    forgetSkopeosCache(home);
    if (name !== "wasme") return;
    if (place.tagged !== "") await runCli(["rm", place.tagged], { home });
    await runCli(["tag", stored, place.target], { home });
    place.tagged = place.target;
  };
  const pushed = await measure(candidates(pushes(place), place, fresh), rounds);
  report(`push ${title}`, pushed, fastest(pushed.slice(0, -1)));
  const empty = (): void => {
    rmSync(place.out, { recursive: true, force: true });
    forgetSkopeosCache(home);
  };
  const pulled = await measure(candidates(pulls(place), place, empty), rounds);
  report(`pull ${title}`, pulled, fastest(pulled.slice(0, -1)));
  rmSync(home, { recursive: true, force: true });
}

/** A home whose store has one image with a module of `size` bytes. */
async function storedImage(folder: string, size: number): Promise<{ readonly home: string; readonly stored: string }> {
  const home = join(work, folder);
  mkdirSync(home);
  const stored = "bench.local/source:v1";
  const module = writeModule(home, "module.wasm", size);
  const built = await runCli(["build", "precompiled", module, "-t", stored], { home });
  if (built.code !== 0) throw new Error(built.stderr);
  rmSync(module);
  return { home, stored };
}

interface Place {
  readonly registry: RunningRegistry;
  readonly home: string;
  /** A layout with the one image the others push. */
  readonly layout: string;
  /** Where everybody pulls to; empty before. */
  readonly out: string;
  /** What is pushed to next, and what was pushed last is pulled. */
  target: string;
  /** The name wasme's store has for it. */
  tagged: string;
}

type Commands = Readonly<Record<string, () => readonly string[]>>;

function pushes(place: Place): Commands {
  const { registry, layout } = place;
  const { caFile } = registry;
  const oras = caFile === undefined ? ["--to-plain-http"] : ["--to-ca-file", caFile];
  const skopeo = caFile === undefined ? "--dest-tls-verify=false" : `--dest-cert-dir=${dirname(caFile)}`;
  return {
    crane: () => [programs.crane, "push", layout, place.target],
    oras: () => [programs.oras, "cp", ...oras, "--from-oci-layout", `${layout}:v1`, place.target],
    skopeo: () => [programs.skopeo, "copy", "-q", skopeo, `oci:${layout}:v1`, `docker://${place.target}`],
    wasme: () => [process.execPath, bin, "push", ...trust(caFile), place.target],
  };
}

function pulls(place: Place): Commands {
  const { registry, out } = place;
  const { caFile } = registry;
  const oras = caFile === undefined ? ["--from-plain-http"] : ["--from-ca-file", caFile];
  const skopeo = caFile === undefined ? "--src-tls-verify=false" : `--src-cert-dir=${dirname(caFile)}`;
  return {
    crane: () => [programs.crane, "pull", "--format", "oci", place.target, out],
    oras: () => [programs.oras, "cp", ...oras, place.target, "--to-oci-layout", `${out}:v1`],
    skopeo: () => [programs.skopeo, "copy", "-q", skopeo, `docker://${place.target}`, `oci:${out}:v1`],
    wasme: () => [process.execPath, bin, "pull", ...trust(caFile), "--store", out, place.target],
  };
}

function trust(caFile: string | undefined): readonly string[] {
  return caFile === undefined ? [] : ["--ca-file", caFile];
}

function candidates(
  commands: Commands,
  { home, registry }: Place,
  prepare: (name: string) => Promise<void> | void,
): Candidate[] {
  const { caFile } = registry;
  const env: Record<string, string> = { HOME: home };
  if (caFile !== undefined) env["SSL_CERT_FILE"] = caFile;
  return Object.entries(commands).map(([name, words]) => ({
    name,
    env,
    prepare: () => prepare(name),
    get command() {
      return words()[0] ?? "";
    },
    get args() {
      return words().slice(1);
    },
  }));
}

/** skopeo remembers which blobs a registry has, and then mounts them instead of uploading; as root in a fixed place. */
function forgetSkopeosCache(home: string): void {
  for (const folder of ["/var/lib/containers/cache", join(home, ".local/share/containers/cache")]) {
    rmSync(join(folder, "blob-info-cache-v1.boltdb"), { force: true });
  }
}

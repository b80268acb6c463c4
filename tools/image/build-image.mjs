/**
 * Builds the container image of wasme, without a daemon, a base image or root: `npm run image`. See docs/guide/image.md.
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { appLayer } from "./app.mjs";
import { lockPackages, systemLayer } from "./debian.mjs";
import { lockNode, nodeLayer } from "./node.mjs";
import { exists } from "./run.mjs";
import { sbomOf } from "./sbom.mjs";
import { file } from "./tree.mjs";

const USAGE = `Usage: npm run image -- [options]

Builds the container image of wasme as an OCI image layout.

  --out DIR           where to (default dist/image); an old layout there is replaced
  --arch LIST         amd64, arm64 or both (default)
  --push REF          pushes it, with its bills of materials, to HOST/REPOSITORY:TAG
  --no-build          pushes what is in --out already, for instance after it was tested
  --plain-http        pushes by http
  --lock FILE         which packages (default tools/image/packages.lock.json)
  --update-lock       writes today's packages into the lock file, then builds
  --apt-sources FILE  a sources.list of the lock file's Debian, where this machine is another
  --cache DIR         where downloads are kept (default ~/.cache/wasme-image)

SOURCE_DATE_EPOCH sets the time that stands in the image (default: 1970).
`;

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Where scanners of images look for one, among other places. */
const BOM = "usr/local/share/sbom/wasme.spdx.json";
const MACHINE = process.arch === "arm64" ? "arm64" : "amd64";

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const hint = error.hint === undefined ? "" : `\nHint: ${error.hint}`;
  process.stderr.write(`Error: ${error.message}${hint}\n`);
  process.exitCode = 1;
}

async function main(argv) {
  const options = readOptions(argv);
  if (options === undefined) return 0;
  if (!(await exists(join(root, "dist/cli/main.js")))) throw new Error("dist/ is not built\nHint: npm run build");
  const about = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  if (options.build) process.stdout.write(`${options.out} ${await buildInto(options.out, { ...options, about })}\n`);
  if (options.push === undefined) return 0;
  const { pushLayout } = await import("./layout.mjs");
  const { formatReference } = await import("../../dist/domain/image-reference.js");
  const { out: folder, push: reference, plainHttp } = options;
  const pushed = await pushLayout({ folder, reference, plainHttp, userAgent: `wasme/${about.version}` });
  process.stdout.write(`${formatReference(pushed)}\n`);
  return 0;
}

/** Builds beside the folder and puts it in its place when it is whole. Tells the digest. */
async function buildInto(out, options) {
  const { isReplaceable } = await import("./layout.mjs");
  if (!(await isReplaceable(out))) throw new Error(`${out} holds something that is no image layout`);
  const locked = await readLock(options);
  const draft = join(dirname(out), `.${basename(out)}.${process.pid}`);
  await mkdir(draft, { recursive: true });
  try {
    const digest = await build(draft, { ...options, locked });
    await rm(out, { recursive: true, force: true });
    await rename(draft, out);
    return digest;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function readOptions(argv) {
  const string = { type: "string" };
  const boolean = { type: "boolean", default: false };
  const { values } = parseArgs({
    args: argv,
    options: {
      out: string,
      arch: string,
      push: string,
      lock: string,
      cache: string,
      "apt-sources": string,
      "plain-http": boolean,
      "no-build": boolean,
      "update-lock": boolean,
      help: { ...boolean, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return undefined;
  }
  const asked = (values.arch ?? "amd64,arm64").split(",");
  if (values["no-build"] && values.push === undefined) throw new Error("--no-build is for --push REF");
  const arches = ["amd64", "arm64"].filter((arch) => asked.includes(arch));
  const unknown = asked.find((arch) => arch !== "amd64" && arch !== "arm64");
  if (unknown !== undefined) throw new Error(`--arch ${JSON.stringify(unknown)} is not amd64 or arm64`);
  return {
    out: resolve(values.out ?? join(root, "dist/image")),
    arches,
    push: values.push,
    build: !values["no-build"],
    plainHttp: values["plain-http"],
    lock: resolve(values.lock ?? join(root, "tools/image/packages.lock.json")),
    updateLock: values["update-lock"],
    aptSources: values["apt-sources"] === undefined ? undefined : resolve(values["apt-sources"]),
    cache: resolve(values.cache ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "wasme-image")),
  };
}

async function readLock({ lock, updateLock, cache, aptSources }) {
  const old = JSON.parse(await readFile(lock, "utf8"));
  if (!updateLock) return old;
  const next = { node: {}, debian: {} };
  for (const arch of ["amd64", "arm64"]) {
    say(`Asking for the packages of today for ${arch}`);
    next.node[arch] = await lockNode({ arch, version: old.node[arch].version, cache });
    next.debian[arch] = await lockPackages({ arch, cache, aptSources });
  }
  await writeFile(lock, `${JSON.stringify(next, undefined, 2)}\n`);
  return next;
}

/** Builds into an empty folder. */
async function build(folder, { arches, locked, cache, aptSources, about }) {
  const { parseSourceDate, formatSourceDate } = await import("../../dist/domain/source-date.js");
  const { openStore } = await import("../../dist/store/image-store.js");
  const { bomFile, compressor, layerOf, writeImage, writeIndex } = await import("./layout.mjs");
  const time = parseSourceDate(process.env["SOURCE_DATE_EPOCH"]) ?? new Date(0);
  const created = formatSourceDate(time);
  const labels = labelsOf(about, created);
  const [systems, nodes] = [{}, {}];
  for (const arch of arches) {
    systems[arch] = await systemLayer({ arch, locked: locked.debian[arch], cache, aptSources });
  }
  say("Installing the program's own packages");
  const [app] = await Promise.all([
    appLayer({ root }),
    ...Array.from(new Set([MACHINE, ...arches]), async (arch) => {
      nodes[arch] = await nodeLayer({ arch, locked: locked.node[arch], cache });
    }),
  ]);
  const { compress, close } = await compressor(nodes[MACHINE].program);
  const store = openStore(folder);
  try {
    const appPacked = await layerOf(`${about.name} ${about.version}`, app.tree, { time, compress });
    const buildOne = async (arch) => {
      const [system, node] = [systems[arch], nodes[arch]];
      const bom = bomOf({ about, arch, created, debian: system.facts, node: node.facts, npm: app.facts });
      const layers = [
        await layerOf("Debian packages", system.tree, { time, compress }),
        await layerOf(`Node ${node.facts.version}`, node.tree, { time, compress }),
        appPacked,
        await layerOf("bill of materials", new Map([[BOM, file(bom)]]), { time, compress }),
      ];
      return { arch, bom, descriptor: await writeImage(store, { arch, layers, created, labels }) };
    };
    say(`Assembling linux/${arches.join(" and linux/")}`);
    const images = await Promise.all(arches.map(buildOne));
    const manifests = images.map(({ descriptor }) => descriptor);
    const reference = `ghcr.io/wasme/${about.name}:${about.version}`;
    const { digest } = await writeIndex(store, { reference, manifests, time, labels });
    await rm(join(folder, "ingest"), { recursive: true, force: true });
    for (const { arch, bom } of images) await writeFile(join(folder, bomFile(arch)), bom);
    return digest;
  } finally {
    await close();
  }
}

function bomOf({ about, ...facts }) {
  const { name, version, license } = about;
  return Buffer.from(`${JSON.stringify(sbomOf({ name, version, license, ...facts }), undefined, 1)}\n`);
}

function labelsOf({ name, version, description, license }, created) {
  const prefix = "org.opencontainers.image";
  return {
    [`${prefix}.title`]: name,
    [`${prefix}.description`]: description,
    [`${prefix}.version`]: version,
    [`${prefix}.licenses`]: license,
    [`${prefix}.created`]: created,
  };
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * The system layer: a few Debian packages, fetched by the machine's own apt (which checks Debian's signatures) for any
 * architecture, and unpacked without running anything of theirs.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exists, run, sha256 } from "./run.mjs";
import { file, folder, unpackTree } from "./tree.mjs";

/** What Node needs, and what says which system this is. No shell, no package manager, no certificates: Node has its own. */
const PACKAGES = ["base-files", "gcc-12-base", "libc6", "libgcc-s1", "libstdc++6"];
const SUITE = "bookworm";

/**
 * The files and the facts of the locked packages. Packages are kept in `cache` by their hash; what is missing there is
 * asked of apt, which may not have that version any more.
 */
export async function systemLayer({ arch, locked, cache, aptSources }) {
  const missing = [];
  for (const one of locked) if (!(await exists(archiveOf(cache, one)))) missing.push(one);
  if (missing.length > 0) {
    await withApt({ arch, aptSources }, async (apt) => {
      for (const one of missing) await fetchLocked(apt, one, { arch, cache });
    });
  }
  const tree = new Map();
  const facts = [];
  for (const one of locked) {
    const archive = archiveOf(cache, one);
    const bytes = await readFile(archive);
    if (sha256(bytes) !== one.sha256) throw new Error(`${archive} was altered; remove it`);
    const { stdout } = await run("dpkg-deb", ["--fsys-tarfile", archive], { encoding: "buffer" });
    for (const [path, entry] of await unpackTree(stdout, isWanted)) tree.set(path, entry);
    facts.push({ ...one, ...(await controlOf(archive)) });
  }
  for (const [path, entry] of ownFiles()) tree.set(path, entry);
  return { tree, facts };
}

/** What apt has today: the entries of the lock file for one architecture. */
export async function lockPackages({ arch, cache, aptSources }) {
  return await withApt({ arch, aptSources }, async (apt) => {
    const locked = [];
    for (const name of PACKAGES) {
      const path = await apt(name);
      const hash = sha256(await readFile(path));
      const { version } = await controlOf(path);
      await keep(path, archiveOf(cache, { name, sha256: hash }));
      locked.push({ name, version, sha256: hash });
    }
    return locked;
  });
}

function archiveOf(cache, { name, sha256: hash }) {
  return join(cache, `${name}-${hash}.deb`);
}

async function fetchLocked(apt, one, { arch, cache }) {
  const { name, version, sha256: hash } = one;
  const path = await apt(`${name}=${version}`).catch((error) => {
    throw new Error(
      `Debian does not offer ${name} ${version} for ${arch} any more (apt: ${error.message})\n` +
        "Hint: npm run image -- --update-lock takes the versions of today; commit tools/image/packages.lock.json then",
    );
  });
  const actual = sha256(await readFile(path));
  if (actual !== hash) throw new Error(`${name} ${version} (${arch}) has sha256 ${actual}, the lock file says ${hash}`);
  await keep(path, archiveOf(cache, one));
}

async function keep(path, target) {
  await mkdir(join(target, ".."), { recursive: true });
  const draft = `${target}.${process.pid}`;
  await copyFile(path, draft);
  await rename(draft, target);
}

/** Hands over a function that downloads `name[=version]` and tells the file: apt with lists and state of its own. */
async function withApt({ arch, aptSources }, work) {
  if (aptSources === undefined) await requireSuite();
  const base = await mkdtemp(join(tmpdir(), "wasme-image-apt-"));
  try {
    await mkdir(join(base, "lists/partial"), { recursive: true });
    await mkdir(join(base, "archives/partial"), { recursive: true });
    await writeFile(join(base, "status"), "");
    await writeFile(join(base, "apt.conf"), aptConfig(base, arch, aptSources));
    const env = { ...process.env, APT_CONFIG: join(base, "apt.conf"), LC_ALL: "C" };
    await run("apt-get", ["update", "--quiet=2"], { env });
    return await work(async (what) => {
      const folderOf = await mkdtemp(join(base, "download-"));
      await run("apt-get", ["download", "--quiet=2", what], { env, cwd: folderOf });
      const [name] = await readdir(folderOf);
      return join(folderOf, name);
    });
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

function aptConfig(base, arch, sources) {
  return [
    `Dir::State "${base}";`,
    `Dir::State::status "${base}/status";`,
    `Dir::Cache "${base}";`,
    `APT::Architecture "${arch}";`,
    `APT::Architectures { "${arch}"; };`,
    'APT::Sandbox::User "";',
    'Acquire::Languages "none";',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
    "Acquire::Retries 3;",
    ...(sources === undefined ? [] : [`Dir::Etc::sourcelist "${sources}";`, 'Dir::Etc::sourceparts "/dev/null";']),
    "",
  ].join("\n");
}

async function requireSuite() {
  const text = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (text.includes(`VERSION_CODENAME=${SUITE}`)) return;
  throw new Error(
    `the packages are those of Debian ${SUITE}, and apt here has others\n` +
      `Hint: run this on Debian ${SUITE}, or name a sources.list of it: --apt-sources FILE`,
  );
}

async function controlOf(archive) {
  const { stdout } = await run("dpkg-deb", ["--field", archive]);
  const field = (name) => new RegExp(`^${name}: (.*)$`, "mu").exec(stdout)?.[1];
  const source = field("Source");
  return {
    version: field("Version"),
    architecture: field("Architecture"),
    maintainer: field("Maintainer"),
    homepage: field("Homepage"),
    summary: field("Description"),
    source: source?.split(" ", 1)[0] ?? field("Package"),
  };
}

/** Libraries, licences, and the name of the system; no documentation, no converters of text, no programs. */
function isWanted(path) {
  if (path.startsWith("usr/share/doc/")) return /^usr\/share\/doc\/[^/]+(?:\/copyright)?$/u.test(path);
  if (path.startsWith("usr/share/common-licenses/")) return true;
  if (/\/gconv(?:\/|$)|\/audit(?:\/|$)/u.test(path)) return false;
  return /^(?:usr\/)?lib(?:64)?\/(?:[^/]*linux[^/]*(?:\/.*)?|os-release)$|^etc\/(?:os-release|debian_version)$/u.test(
    path,
  );
}

/** What the packages' scripts, which are not run, would have left, and a user to be. */
function ownFiles() {
  return new Map([
    ["etc/passwd", file("root:x:0:0:root:/root:/sbin/nologin\nwasme:x:65532:65532:wasme:/home/wasme:/sbin/nologin\n")],
    ["etc/group", file("root:x:0:\nwasme:x:65532:\n")],
    ["etc/nsswitch.conf", file("passwd: files\ngroup: files\nhosts: files dns\n")],
    ["etc/hosts", file("127.0.0.1 localhost\n::1 localhost\n")],
    ["home/wasme", folder(0o755, 65532)],
    ["root", folder(0o700)],
    ["tmp", folder(0o1777)],
    ["var/tmp", folder(0o1777)],
    ["var/lib/wasme", folder(0o755, 65532)],
    ...["dev", "proc", "run", "sys"].map((path) => [path, folder()]),
  ]);
}

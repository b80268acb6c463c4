interface NamedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** What npm accepts as the name of a package made in a folder called `folder`; `filter` when nothing is left. */
export function packageName(folder: string): string {
  const name = folder
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/gu, "-")
    .replaceAll(/^[._-]+|-+$/gu, "")
    .slice(0, 214);
  return name === "" || name === "node_modules" ? "filter" : name;
}

/**
 * Puts the project's name (an npm package's) into the files at the top of the project that hold one, everything else of
 * their text kept as it is: `package.json` and its lock file; a Cargo package, a Go module `example.com/filter` and a
 * CMake project when they are called `filter`.
 */
export function withName<F extends NamedFile>(files: readonly F[], name: string): readonly F[] {
  const lock = textOf(files, "Cargo.lock");
  const crate = crateName(name, lock);
  const isRenamedCrate = CRATE.test(textOf(files, "Cargo.toml"));
  const module = moduleName(name);
  const isRenamedModule = MODULE.test(textOf(files, "go.mod"));
  return files.map((file) => {
    const change = changeOf(file.path);
    return change === undefined ? file : { ...file, bytes: Buffer.from(change(String(Buffer.from(file.bytes)))) };
  });

  function changeOf(path: string): ((text: string) => string) | undefined {
    if (path === "package.json") return (text) => text.replace(NAME_KEY, `$1${JSON.stringify(name)}`);
    if (path === "package-lock.json")
      return (text) =>
        text.replace(NAME_KEY, `$1${JSON.stringify(name)}`).replace(LOCK_KEY, `$1${JSON.stringify(name)}`);
    if (path === "CMakeLists.txt") return (text) => text.replace(/^(project\(\s*)filter\b/mu, `$1${crate}`);
    if (isRenamedCrate && path === "Cargo.toml") return (text) => text.replace(CRATE, `$1"${crate}"`);
    if (isRenamedCrate && path === "Cargo.lock") return (text) => text.replace(LOCKED_CRATE, `$1"${crate}"`);
    if (isRenamedModule && path === "go.mod") return (text) => text.replace(MODULE, `$1${module}`);
    if (isRenamedModule && path.endsWith(".go"))
      return (text) => text.replaceAll('"example.com/filter/', `"${module}/`);
    return undefined;
  }
}

const NAME_KEY = /^(\{\s*"name":\s*)"[^"]*"/u;
const LOCK_KEY = /("packages":\s*\{\s*"":\s*\{\s*"name":\s*)"[^"]*"/u;
const CRATE = /(^\[package\]\n(?:(?!\[)[^\n]*\n)*?name\s*=\s*)"filter"/mu;
const LOCKED_CRATE = /(^\[\[package\]\]\nname = )"filter"/mu;
const MODULE = /(^module\s+)example\.com\/filter\b(?![./-])/mu;

/** A Cargo package may not have the name of one that it uses, nor of one that the language brings. */
function crateName(name: string, lock: string): string {
  const plain = name.replaceAll(/[^a-z0-9_-]+/gu, "-").replaceAll(/^[-_]+|-+$/gu, "");
  const crate = /^[a-z]/u.test(plain) ? plain : `filter-${plain}`.replace(/-$/u, "");
  const used = new Set([...lock.matchAll(/^name = "([^"]*)"/gmu)].map((match) => match[1]));
  used.delete("filter");
  return used.has(crate) || RESERVED.has(crate) ? `${crate}-filter` : crate;
}

/** The language's own packages, and its words. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    "std core alloc test proc_macro proc-macro as async await box break const continue crate dyn else enum extern false " +
    "fn for gen if impl in let loop match mod move mut pub ref return self static struct super trait true try type " +
    "unsafe use where while yield"
  ).split(" "),
);

function moduleName(name: string): string {
  return `example.com/${name.replaceAll("~", "-").replaceAll(/^[.-]+|[.-]+$/gu, "") || "filter"}`;
}

function textOf(files: readonly NamedFile[], path: string): string {
  const bytes = files.find((file) => file.path === path)?.bytes;
  return bytes === undefined ? "" : String(Buffer.from(bytes));
}

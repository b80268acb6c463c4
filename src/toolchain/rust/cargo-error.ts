import { type ErrorKind, WasmeError } from "../../domain/errors.ts";
import { type Said, saidSuffix } from "../said.ts";
import { toolMissing } from "../tool-missing.ts";
import { type RustToolchain, targetCommand } from "./toolchain.ts";

/** A call of cargo that failed. */
export interface CargoFailure {
  readonly folder: string;
  /** What it printed for people. */
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly rust: RustToolchain;
  /** False under `--no-install`, when cargo was told to stay offline. */
  readonly install: boolean;
}

/** Turns what cargo said into one sentence and what to do about it; its own lines have been shown already. */
export async function cargoError(failure: CargoFailure): Promise<WasmeError> {
  const { folder, stderr, rust } = failure;
  const details = { compiler: `rustc ${rust.version}` };
  if (/can't find crate for `(?:core|std)`|target may not be installed/u.test(stderr)) {
    const message = `Rust ${rust.version} in ${rust.sysroot} has no usable standard library for WebAssembly`;
    return toolMissing("TOOL_UNFIT", message, { hint: await targetCommand(rust), details });
  }
  const errors = compilerErrors(stderr);
  for (const known of errors.first === undefined ? KNOWN : []) {
    const match = known.pattern.exec(stderr);
    if (match === null || known.offline === failure.install) continue;
    const { kind, code } = known;
    return new WasmeError(kind, code, known.says(folder, match), { hint: known.hint(rust, match), details });
  }
  if (errors.first !== undefined) {
    return new WasmeError("build-failed", "COMPILE_FAILED", `cannot compile the filter${saidSuffix(errors)}`, {
      hint: `rustc ${rust.version} shows the places above${explain(errors.first)}`,
      details,
    });
  }
  const end = failure.exitCode === undefined ? "was ended" : `failed with exit code ${failure.exitCode}`;
  const said = /^error: (.*)$/mu.exec(stderr)?.[1];
  return new WasmeError(
    "build-failed",
    "CARGO_FAILED",
    `cargo ${end} in ${folder}${said === undefined ? "" : `: ${said}`}`,
    {
      hint: `rustc ${rust.version} was used; run cargo build there to see the same without wasme`,
      details,
    },
  );
}

interface KnownFailure {
  readonly pattern: RegExp;
  /** Only when cargo was told to stay offline (true), or only when it was not (false). */
  readonly offline?: boolean;
  readonly kind: ErrorKind;
  readonly code: string;
  says(folder: string, match: RegExpExecArray): string;
  hint(rust: RustToolchain, match: RegExpExecArray): string;
}

/** Looked for in this order. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern: /lock file .*needs to be updated|cannot update the lock file|because --locked was passed/u,
    kind: "usage",
    code: "CARGO_LOCK_OUTDATED",
    says: (folder) => `Cargo.lock in ${folder} does not fit Cargo.toml`,
    hint: () => "run cargo update --workspace in the project, which brings the lock file up to date",
  },
  {
    pattern: /lock file version .* requires|lock file version `?\d+`? .*(?:not understood|was found)/u,
    kind: "build-failed",
    code: "TOOL_UNFIT",
    says: (folder) => `Cargo.lock in ${folder} was written by a newer cargo than the one here`,
    hint: (rust) => updateCommand(rust),
  },
  {
    pattern: /rustc (\S+) is not supported by|requires rustc (\S+) or newer|feature `edition\d+` is required/u,
    kind: "build-failed",
    code: "TOOL_UNFIT",
    says: (folder, match) => `Rust is too old for the project in ${folder}: ${match[0]}`,
    hint: (rust) => updateCommand(rust),
  },
  {
    pattern: /--offline|offline mode|net\.offline/u,
    offline: true,
    kind: "usage",
    code: "INSTALL_REFUSED",
    says: (folder) => `crates that the project in ${folder} needs are not on this machine`,
    hint: () => "run cargo fetch there, or build without --no-install",
  },
  {
    pattern:
      /Could(?:n't| not) resolve host|Could not connect|Couldn't connect|[Cc]onnection refused|Network is unreachable|Timeout was reached|timed out|spurious network error|Failed to connect|download of \S+ failed|SSL connect error/u,
    kind: "unreachable",
    code: "CRATES_UNREACHABLE",
    says: (folder) => `cargo could not fetch the crates of ${folder}: the registry is not reachable`,
    hint: () =>
      "check the network, a proxy (HTTPS_PROXY) and the registry in .cargo/config.toml; once fetched, a build needs no network",
  },
  {
    pattern: /no matching package named `([^`]+)` found|failed to select a version for the requirement `([^`]+)`/u,
    kind: "not-found",
    code: "CRATE_NOT_FOUND",
    says: (folder, match) =>
      `${folder} asks for a crate that the registry does not have: ${match[1] ?? match[2] ?? ""}`,
    hint: () => "check the dependencies in Cargo.toml; cargo search NAME looks for one",
  },
  {
    pattern:
      /failed to parse manifest at `([^`]+)`|^error: ([^\n]*)\n\s*--> \S*Cargo\.toml:|could not parse input as TOML|TOML parse error/mu,
    kind: "usage",
    code: "CARGO_TOML_INVALID",
    says: (folder, match) =>
      `${match[1] ?? `Cargo.toml in ${folder}`} is not valid${match[2] === undefined ? "" : `: ${match[2]}`}`,
    hint: () => "cargo names the line above",
  },
  {
    pattern: /linker `([^`]+)` not found|linking with `([^`]+)` failed/u,
    kind: "build-failed",
    code: "LINK_FAILED",
    says: (folder, match) => `cannot link the filter in ${folder} with ${match[1] ?? match[2] ?? "the linker"}`,
    hint: (rust, match) =>
      match[1] === undefined
        ? "the linker names what is missing above: C libraries and threads do not exist for this target"
        : `${match[1]} comes with rustup's Rust (this is ${rust.sysroot}); Debian: apt-get install lld`,
  },
];

function updateCommand(rust: RustToolchain): string {
  if (rust.rustup === undefined)
    return `this is Rust ${rust.version} in ${rust.sysroot}; rustup brings a newer one: https://rustup.rs`;
  return /^(?:stable|beta|nightly)/u.test(rust.rustup)
    ? "rustup update"
    : `the project asks for Rust ${rust.rustup}; raise the channel in rust-toolchain.toml, or the override (rustup show)`;
}

/** `error[E0425]: cannot find value …` and the place that follows it. */
function compilerErrors(stderr: string): Said {
  const found = [...stderr.matchAll(/^error(?:\[(E\d+)\])?: (.*)\n(?:\s*--> (\S+\.rs:\S+))?/gmu)].filter(
    ([, , text = ""]) => !/^(?:could not compile|aborting due to)/u.test(text),
  );
  const placed = found.filter((match) => match[3] !== undefined);
  const [first] = placed;
  if (first === undefined) return { first: undefined, count: 0 };
  const [, number, text = "", place = ""] = first;
  return { first: `${place}: ${text}${number === undefined ? "" : ` (${number})`}`, count: placed.length };
}

function explain(first: string): string {
  const number = /\((E\d+)\)$/u.exec(first)?.[1];
  return number === undefined ? "" : `; rustc --explain ${number} tells more`;
}

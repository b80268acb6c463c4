import { type ErrorKind, WasmeError } from "../../domain/errors.ts";
import { type Said, saidSuffix } from "../said.ts";

/** A call of go or tinygo that failed. */
export interface GoFailure {
  readonly folder: string;
  /** What it printed. */
  readonly stderr: string;
  readonly exitCode: number | undefined;
  /** Compiler and version: `go 1.26.1`. */
  readonly compiler: string;
  /** What is typed for the same without wasme: `go build`. */
  readonly command: string;
  /** False under `--no-install`, when modules were not to be fetched. */
  readonly install: boolean;
}

/** Turns what go or tinygo said into one sentence and what to do about it; its own lines have been shown already. */
export function goError(failure: GoFailure): WasmeError {
  const { folder, stderr, compiler, command } = failure;
  const details = { compiler };
  for (const known of KNOWN) {
    const match = known.pattern.exec(stderr);
    if (match === null || known.offline === failure.install) continue;
    const { kind, code } = known;
    return new WasmeError(kind, code, known.says(folder, match), { hint: known.hint(match, folder), details });
  }
  const errors = compilerErrors(stderr);
  if (errors.first !== undefined) {
    return new WasmeError("build-failed", "COMPILE_FAILED", `cannot compile the filter${saidSuffix(errors)}`, {
      hint: `${compiler} shows the places above`,
      details,
    });
  }
  const end = failure.exitCode === undefined ? "was ended" : `failed with exit code ${failure.exitCode}`;
  const said = stderr
    .split("\n")
    .findLast((line) => line.trim() !== "")
    ?.trim();
  const what = `${command} ${end} in ${folder}${said === undefined ? "" : `: ${said}`}`;
  return new WasmeError("build-failed", "GO_FAILED", what, { hint: `${compiler} was used`, details });
}

interface KnownFailure {
  readonly pattern: RegExp;
  /** Only when modules were not to be fetched (true), or only when they were (false). */
  readonly offline?: boolean;
  readonly kind: ErrorKind;
  readonly code: string;
  says(folder: string, match: RegExpExecArray): string;
  hint(match: RegExpExecArray, folder: string): string;
}

/** Looked for in this order. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern:
      /module lookup disabled by GOPROXY=off|cannot find module providing package \S+: import lookup disabled|GOPROXY list is not the empty string, but contains no entries/u,
    offline: true,
    kind: "usage",
    code: "INSTALL_REFUSED",
    says: (folder) => `modules that the project in ${folder} needs are not on this machine`,
    hint: () => "run go mod download there, or build without --no-install",
  },
  {
    pattern: /go\.mod requires go >= (\S+) \(running go (\S+);/u,
    kind: "build-failed",
    code: "TOOL_UNFIT",
    says: (folder, match) => `go.mod in ${folder} asks for Go ${match[1] ?? ""}, and Go ${match[2] ?? ""} is here`,
    hint: (match) => `install Go ${match[1] ?? ""} (https://go.dev/dl/), or let go fetch it: export GOTOOLCHAIN=auto`,
  },
  {
    pattern: /missing go\.sum entry[^\n]*?(?:package (\S+)|go\.mod file|$)/mu,
    kind: "usage",
    code: "GO_SUM_MISSING",
    says: (folder) => `go.sum in ${folder} lacks lines for what the project needs`,
    hint: () => "run go mod tidy in the project, and keep the go.sum it writes",
  },
  {
    pattern: /checksum mismatch|SECURITY ERROR/u,
    kind: "build-failed",
    code: "GO_SUM_MISMATCH",
    says: (folder) => `a module has another content than go.sum in ${folder} says`,
    hint: () => "somebody changed what they had published, or go.sum; go names the module above",
  },
  {
    pattern:
      /dial tcp[^\n]*|no such host|connection refused|i\/o timeout|TLS handshake timeout|network is unreachable|proxyconnect tcp/u,
    kind: "unreachable",
    code: "GO_PROXY_UNREACHABLE",
    says: (folder) => `go could not fetch the modules of ${folder}: the module proxy is not reachable`,
    hint: () => "check the network, a proxy (HTTPS_PROXY) and go env GOPROXY; once fetched, a build needs no network",
  },
  {
    pattern: /(?:reading|invalid version|unknown revision)[^\n]*(?:404|410|403|unknown revision|not found)[^\n]*/u,
    kind: "not-found",
    code: "GO_MODULE_NOT_FOUND",
    says: (folder) => `go.mod in ${folder} asks for a module version that is not there`,
    hint: () => "go names it above; check the require lines, and go env GOPROXY GOPRIVATE",
  },
  {
    pattern: /no required module provides package (\S+?)[;:\s]/u,
    kind: "usage",
    code: "GO_MODULE_NOT_REQUIRED",
    says: (folder, match) => `go.mod in ${folder} does not require a module with the package ${match[1] ?? ""}`,
    hint: (match) => `run go get ${match[1] ?? ""} in the project, or go mod tidy`,
  },
  {
    pattern: /updates to go\.mod needed|go: to add missing requirements|inconsistent vendoring/u,
    kind: "usage",
    code: "GO_MOD_OUTDATED",
    says: (folder) => `go.mod in ${folder} does not fit the sources`,
    hint: () => "run go mod tidy in the project (with a vendor folder: go mod vendor)",
  },
  {
    pattern: /go\.mod:\d+: |errors parsing go\.mod/u,
    kind: "usage",
    code: "GO_MOD_INVALID",
    says: (folder) => `go.mod in ${folder} is not valid`,
    hint: () => "go names the line above",
  },
  {
    pattern: /requires exactly one main package|is not a main package|(?:-o|named output)[^\n]*non-main package/u,
    kind: "usage",
    code: "NO_MAIN_PACKAGE",
    says: (folder) => `the package in ${folder} is not a program: a filter is made of package main`,
    hint: () => "begin its files with package main, and add func main() {}; or name the folder that has one",
  },
  {
    pattern: /no Go files in (\S+)|no non-test Go files in (\S+)|build constraints exclude all Go files in (\S+)/u,
    kind: "usage",
    code: "NO_GO_FILES",
    says: (_, match) => `there are no Go files to build in ${match[1] ?? match[2] ?? match[3] ?? ""}`,
    hint: (match) =>
      match[3] === undefined
        ? "name the folder of package main: wasme build go DIR/cmd/filter -t REF"
        : "their build constraints leave out GOOS=wasip1 GOARCH=wasm",
  },
  {
    pattern: /function main is undeclared in the main package/u,
    kind: "build-failed",
    code: "COMPILE_FAILED",
    says: (folder) => `cannot compile the filter in ${folder}: package main has no function main`,
    hint: () => "add func main() {}; it is not called, the filter sets itself up in func init()",
  },
];

/** `./main.go:12:5: undefined: x`; both compilers write it so. */
function compilerErrors(stderr: string): Said {
  const found = stderr.match(/^(?:vet: )?\S+\.go:\d+(?::\d+)?: .*$/gmu) ?? [];
  const first = found[0]?.replace(/^\.\//u, "");
  return { first, count: found.length };
}

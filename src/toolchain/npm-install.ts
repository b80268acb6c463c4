import { type ErrorKind, type ErrorOptions, WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import { type NpmResult, runNpm, tellNpmErrors } from "./npm.ts";
import type { ToolchainDeps } from "./runner.ts";

/** The packages of one project. */
export interface InstallRequest {
  /** The project's folder, absolute. */
  readonly folder: string;
  /** `package-lock.json` or `npm-shrinkwrap.json`, if the project has one. */
  readonly lockFile: string | undefined;
}

/** What {@link installPackages} runs: `npm ci` with a lock file, else `npm install`. */
export function installVerb({ lockFile }: InstallRequest): "ci" | "install" {
  return lockFile === undefined ? "install" : "ci";
}

/**
 * Installs a project's packages, those for development too, to get at the compiler among them: by `npm ci` with a lock
 * file, else by `npm install`, which writes none here. Throws `NPM_NOT_FOUND` (usage), `NPM_UNREACHABLE`,
 * `NPM_UNAUTHORISED`, `NPM_LOCK_OUTDATED`, `NPM_PACKAGE_NOT_FOUND`, `NPM_FAILED`.
 */
export async function installPackages(deps: ToolchainDeps, project: InstallRequest, events: EventSink): Promise<void> {
  const verb = installVerb(project);
  if (verb === "install") events({ type: "warning", ...NO_LOCK });
  const args = [verb, "--include=dev", "--no-audit", "--no-fund", ...(verb === "install" ? ["--no-package-lock"] : [])];
  events({ type: "task.start", id: TASK, message: `Installing the compiler (npm ${verb})` });
  let ok = false;
  try {
    const result = await runNpm(deps, { args, folder: project.folder }, events);
    ok = result.ok;
    if (!ok) throw installError(result, { folder: project.folder, verb }, events);
  } finally {
    events({ type: "task.end", id: TASK, ok });
  }
}

const TASK = "install";

const NO_LOCK = {
  message: "the project has no package-lock.json: its compiler may be another one tomorrow",
  hint: "run npm install in the project and keep the lock file it writes",
} as const;

function installError(
  result: NpmResult,
  { folder, verb }: { readonly folder: string; readonly verb: string },
  events: EventSink,
): WasmeError {
  const code = result.code ?? "";
  const known = KNOWN.find((item) => item.codes.test(code));
  tellNpmErrors(result, known === undefined ? "output" : "debug", events);
  const what = `npm ${verb} in ${folder}`;
  if (known === undefined) {
    const end = result.exitCode === undefined ? "was ended" : `failed with exit code ${result.exitCode}`;
    return new WasmeError("build-failed", "NPM_FAILED", `${what} ${end}`, { details: { npmCode: code } });
  }
  const options: ErrorOptions = { hint: known.hint, details: { npmCode: code } };
  return new WasmeError(known.kind, known.code, `${what} ${known.says(registryIn(result), code)}`, options);
}

interface KnownFailure {
  readonly codes: RegExp;
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string;
  says(registry: string, code: string): string;
}

const KNOWN: readonly KnownFailure[] = [
  {
    codes:
      /^(?:ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|EIDLETIMEOUT|E429|E5\d\d|FETCH_ERROR)/u,
    kind: "unreachable",
    code: "NPM_UNREACHABLE",
    hint: "check the network, a proxy (HTTPS_PROXY) and npm config get registry; once installed, a build needs no network",
    says: (registry, code) => `could not reach ${registry} (${code})`,
  },
  {
    codes: /^(?:E401|E403|ENEEDAUTH)$/u,
    kind: "unauthorised",
    code: "NPM_UNAUTHORISED",
    hint: "npm login, or check the token in .npmrc",
    says: (registry, code) => `was refused by ${registry} (${code})`,
  },
  {
    codes: /^EUSAGE$/u,
    kind: "usage",
    code: "NPM_LOCK_OUTDATED",
    hint: "run npm install in the project, which brings the lock file up to date",
    says: () => "failed: the lock file does not fit package.json",
  },
  {
    codes: /^(?:E404|ETARGET)$/u,
    kind: "not-found",
    code: "NPM_PACKAGE_NOT_FOUND",
    hint: "check the dependencies in package.json, and npm config get registry",
    says: (registry, code) => `asked for a package that ${registry} does not have (${code})`,
  },
];

/** The registry's origin as far as npm's error lines name it. */
function registryIn(result: NpmResult): string {
  const url = /https?:\/\/[^\s/@]+(?:\/|\s|$)/u.exec(
    result.lines.filter((line) => /^npm (?:error|ERR!)/u.test(line)).join("\n"),
  );
  return url === null ? "the npm registry" : url[0].trim().replace(/\/$/u, "");
}

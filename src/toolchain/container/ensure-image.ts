import { type ErrorKind, WasmeError } from "../../domain/errors.ts";
import type { EventSink } from "../../domain/events.ts";
import { isObject, tryParseJson } from "../../domain/json.ts";
import type { ToolchainDeps } from "../runner.ts";
import type { Engine } from "./engine.ts";
import { KIND_LABEL } from "./images.ts";

/** An image to be had. */
export interface ImageRequest {
  readonly engine: Engine;
  readonly reference: string;
  readonly platform: string | undefined;
  /** False: it has to be on this machine already. */
  readonly install: boolean;
}

/** An image that is on this machine. */
export interface LocalImage {
  /** The engine's own digest of it. */
  readonly id: string;
  /** What {@link KIND_LABEL} says. */
  readonly label: string | undefined;
  /** Set when the engine has to be told. */
  readonly platform: string | undefined;
}

/**
 * Makes sure that an image is on this machine, and pulls it otherwise: by the engine itself, with the logins it knows. An
 * image that is not made for this machine is pulled for `linux/amd64`. Throws `BUILDER_IMAGE_MISSING` (usage, under
 * `--no-install`), `BUILDER_IMAGE_NOT_FOUND`, `BUILDER_IMAGE_REFUSED`, `BUILDER_IMAGE_UNREACHABLE`, `DISK_FULL`,
 * `BUILDER_IMAGE_FAILED`.
 */
export async function ensureImage(deps: ToolchainDeps, request: ImageRequest, events: EventSink): Promise<LocalImage> {
  const { engine, reference, platform, install } = request;
  const present = await inspect(deps, request, platform);
  if (present !== undefined) return present;
  if (!install) {
    throw new WasmeError("usage", "BUILDER_IMAGE_MISSING", `the builder image ${reference} is not on this machine`, {
      hint: `${engine.kind} pull ${reference}, or build without --no-install`,
    });
  }
  const id = "pull";
  events({ type: "task.start", id, message: `Pulling the builder image ${reference}` });
  let ok = false;
  try {
    const used = await pull(deps, request, events);
    const pulled = await inspect(deps, request, used);
    if (pulled === undefined) throw pullError(request, `${engine.kind} does not know it after the pull`);
    ok = true;
    return pulled;
  } finally {
    events({ type: "task.end", id, ok });
  }
}

async function inspect(
  deps: ToolchainDeps,
  { engine, reference }: ImageRequest,
  platform: string | undefined,
): Promise<LocalImage | undefined> {
  const args = ["image", "inspect", "--format", "{{.Id}} {{json .Config.Labels}}", reference];
  const { exitCode, stdout } = await deps.exec(engine.command, args, { env: deps.env, signal: deps.signal });
  const [, id, labels] = /^(\S+) (.*)$/mu.exec(stdout) ?? [];
  if (exitCode !== 0 || id === undefined) return undefined;
  const said = tryParseJson(labels ?? "");
  const label = isObject(said) ? said[KIND_LABEL] : undefined;
  return { id, label: typeof label === "string" ? label : undefined, platform };
}

/** Gives the platform that the engine had to be told. */
async function pull(deps: ToolchainDeps, request: ImageRequest, events: EventSink): Promise<string | undefined> {
  const { engine, reference } = request;
  for (const platform of [request.platform, "linux/amd64"]) {
    const args = ["pull", ...(platform === undefined ? [] : ["--platform", platform]), reference];
    events({ type: "debug", message: [engine.command, ...args].join(" ") });
    const onLine = (line: string): void => events({ type: "debug", message: line });
    const result = await deps.exec(engine.command, args, { env: deps.env, signal: deps.signal, onLine });
    if (result.exitCode === 0) return platform;
    const said = `${result.stderr}\n${result.stdout}`.trim();
    const other = /no matching manifest|no image found in .* for architecture/iu.test(said);
    if (!other || platform !== undefined) throw pullError(request, said);
  }
  return undefined;
}

function pullError({ engine, reference }: ImageRequest, said: string): WasmeError {
  const known = KNOWN.find(({ pattern }) => pattern.test(said)) ?? OTHER;
  const last = said.split("\n").findLast((line) => line.trim() !== "") ?? "";
  const words = last.trim().replace(/^(?:Error(?: response from daemon)?: )+/u, "");
  return new WasmeError(known.kind, known.code, `${engine.kind} cannot pull ${reference}: ${known.why ?? words}`, {
    hint: known.hint(engine.kind, reference),
    details: { engine: engine.kind, image: reference, said: words },
  });
}

interface KnownFailure {
  readonly pattern: RegExp;
  readonly kind: ErrorKind;
  readonly code: string;
  /** Instead of the engine's last line. */
  readonly why?: string;
  hint(engine: string, reference: string): string;
}

const AGAIN = "-i IMAGE names another one";

const OTHER: KnownFailure = {
  pattern: /^/u,
  kind: "build-failed",
  code: "BUILDER_IMAGE_FAILED",
  hint: (engine, reference) => `${engine} pull ${reference} shows the same; ${AGAIN}`,
};

/** Looked for in this order. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern: /no space left on device/iu,
    kind: "failed",
    code: "DISK_FULL",
    why: "the disk of the engine is full",
    hint: (engine) => `${engine} system prune frees what it no longer needs`,
  },
  {
    pattern:
      /no such host|dial tcp|connection refused|i\/o timeout|deadline exceeded|network is unreachable|proxyconnect|TLS handshake|Temporary failure in name resolution|toomanyrequests|too many requests/iu,
    kind: "unreachable",
    code: "BUILDER_IMAGE_UNREACHABLE",
    hint: () => `check the network, and the proxy that the engine itself uses; ${AGAIN}, from a registry you reach`,
  },
  {
    pattern: /pull access denied|denied|unauthorized|authentication required|403 Forbidden/iu,
    kind: "unauthorised",
    code: "BUILDER_IMAGE_REFUSED",
    why: "the registry refused it: there is no such image, or it needs a login",
    hint: (engine, reference) => `check the name, or ${engine} login ${hostOf(reference)}`,
  },
  {
    pattern: /manifest unknown|not found|no such manifest|name unknown/iu,
    kind: "not-found",
    code: "BUILDER_IMAGE_NOT_FOUND",
    why: "the registry has no such image",
    hint: () => `check name and tag; ${AGAIN}`,
  },
];

function hostOf(reference: string): string {
  const first = reference.split("/", 1)[0] ?? "";
  return reference.includes("/") && /[.:]|^localhost$/u.test(first) ? first : "docker.io";
}

import { basename } from "node:path";
import { usageError, WasmeError } from "../domain/errors.ts";
import type { EventSink } from "../domain/events.ts";
import type { FailurePolicy } from "../domain/filter.ts";
import { formatReference, type ImageReference } from "../domain/image-reference.ts";
import type { JsonObject } from "../domain/json.ts";
import { rootIdsOf } from "../domain/runtime-config.ts";
import { refuseErrors, tellWarnings } from "../images/act-on-findings.ts";
import { requireFittingConfig } from "../images/config-violations.ts";
import { examineModule } from "../images/examine-module.ts";
import { readSchemaOrWarn } from "../images/read-schema.ts";
import { buildDefaultBootstrap, DEFAULT_ADMIN, DEFAULT_LISTEN, type SocketAddress } from "../mesh/default-bootstrap.ts";
import { insertIntoBootstrap } from "../mesh/envoy-bootstrap.ts";
import { buildWasmHttpFilter } from "../mesh/wasm-http-filter.ts";
import type { Env } from "../platform/env.ts";
import type { Paths } from "../platform/paths.ts";
import { readTextFile } from "../platform/read-file.ts";
import { assertLoadable } from "../wasm/check-module.ts";
import { findCaFile } from "./find-ca-file.ts";
import { isLoopback } from "./listeners.ts";
import { findEnvoy, HOST_NAME, type LocalEnvoy } from "./local-envoy.ts";
import { type LocalModule, type LocalModuleDeps, openLocalModule } from "./local-module.ts";
import { MAX_BOOTSTRAP, parseBootstrap } from "./read-bootstrap.ts";
import { splitArguments } from "./split-arguments.ts";

/** What `deploy envoy` is asked to do. */
export interface DeployEnvoyRequest {
  /** In the local store. */
  readonly image: ImageReference;
  /** Name of filter and VM; absent: the root id, else the last part of the repository. */
  readonly id: string | undefined;
  /** Absent: the first root id the image names. */
  readonly rootId: string | undefined;
  /** Plugin config, verbatim. */
  readonly config: string | undefined;
  readonly failurePolicy: FailurePolicy;
  /** False skips looking at the module and running it here first. Default true. */
  readonly check?: boolean;
  /** A file, `-` for stdin; absent: the built-in bootstrap. */
  readonly bootstrap: string | undefined;
  /** Where requests go in the built-in bootstrap: an `http:` or `https:` URL. */
  readonly upstream: string | undefined;
  /** Listener and admin address of the built-in bootstrap. */
  readonly listen?: SocketAddress;
  readonly admin?: SocketAddress;
  /** Only writes the bootstrap: to a file, or `-` into the result. */
  readonly out: string | undefined;
  /** Absent: a native Envoy where there is one. */
  readonly envoyImage: string | undefined;
  /** Each is split as a shell would. */
  readonly dockerRunArgs: readonly string[];
  readonly envoyRunArgs: readonly string[];
}

/** What it needs of the outside. */
export interface DeployEnvoyDeps extends LocalModuleDeps {
  readonly env: Env;
  readonly paths: Pick<Paths, "home" | "tmp">;
  readonly cwd: string;
  readonly readStdin: () => Promise<string>;
}

/** Everything `deploy envoy` has made sure of before it writes or starts anything. */
export interface EnvoyPlan {
  readonly id: string;
  readonly module: LocalModule;
  readonly connectionManagers: number;
  /** Absent when the bootstrap is only written. */
  readonly envoy: LocalEnvoy | undefined;
  readonly dockerArgs: readonly string[];
  readonly envoyArgs: readonly string[];
  readonly hostAccess: boolean;
  /** The whole bootstrap, the module being at that path. */
  readonly bootstrapFor: (moduleFile: string) => JsonObject;
}

/**
 * Checks arguments, files, image and what is installed, in this order, and works out the bootstrap. Throws as
 * `deployEnvoy` says.
 */
export async function planEnvoy(
  deps: DeployEnvoyDeps,
  request: DeployEnvoyRequest,
  events: EventSink,
): Promise<EnvoyPlan> {
  const dockerArgs = request.dockerRunArgs.flatMap((line) => splitArguments(line, "--docker-run-args"));
  const envoyArgs = request.envoyRunArgs.flatMap((line) => splitArguments(line, "--envoy-run-args"));
  const upstream = parseUpstream(request);
  const given = await givenBootstrap(deps, request);
  const module = await openLocalModule(deps, request.image);
  const rootIds = rootIdsOf(module.image.runtimeConfig);
  const rootId = request.rootId ?? rootIds[0] ?? "";
  await warnOrThrow(deps, { module, rootId, rootIds, request }, events);
  const envoy = request.out === undefined ? await findEnvoy(deps.env, request.envoyImage) : undefined;
  const inContainer = envoy?.kind === "container";
  const hostAccess = inContainer && upstream !== undefined && isLoopback(upstream.hostname);
  const base = given ?? (await defaultBootstrap(deps, request, { upstream, inContainer, hostAccess }, events));
  const id = request.id ?? (rootId === "" ? basename(request.image.repository) : rootId);
  const settings = { id, rootId, config: request.config, failurePolicy: request.failurePolicy };
  const insert = (file: string): ReturnType<typeof insertIntoBootstrap> =>
    insertIntoBootstrap(base, buildWasmHttpFilter(settings, file));
  const probe = insert("module.wasm");
  if (probe.inserted === 0) throw noPlace(probe, bootstrapName(request));
  const bootstrapFor = (file: string): JsonObject => insert(file).bootstrap;
  return { id, module, connectionManagers: probe.inserted, envoy, dockerArgs, envoyArgs, hostAccess, bootstrapFor };
}

function parseUpstream(request: DeployEnvoyRequest): URL | undefined {
  if (request.upstream === undefined) return undefined;
  if (request.bootstrap !== undefined) {
    throw usageError(
      "OPTIONS_CONFLICT",
      "--upstream belongs to the built-in bootstrap and cannot go with --bootstrap",
      {
        hint: "name the upstream in your bootstrap",
      },
    );
  }
  const url = URL.canParse(request.upstream) ? new URL(request.upstream) : undefined;
  if (url !== undefined && /^https?:$/u.test(url.protocol) && url.username === "" && url.search === "") return url;
  throw usageError("UPSTREAM_INVALID", "--upstream is not an http or https URL without user and query", {
    hint: "for example: --upstream http://127.0.0.1:3000",
  });
}

async function givenBootstrap(deps: DeployEnvoyDeps, request: DeployEnvoyRequest): Promise<JsonObject | undefined> {
  const { bootstrap } = request;
  if (bootstrap === undefined) return undefined;
  const text =
    bootstrap === "-"
      ? await deps.readStdin()
      : await readTextFile(bootstrap, { cwd: deps.cwd, what: "--bootstrap", limit: MAX_BOOTSTRAP });
  return await parseBootstrap(text, bootstrapName(request));
}

function bootstrapName(request: DeployEnvoyRequest): string {
  if (request.bootstrap === undefined) return "the built-in bootstrap";
  return request.bootstrap === "-" ? "stdin" : request.bootstrap;
}

interface Surroundings {
  readonly upstream: URL | undefined;
  readonly inContainer: boolean;
  readonly hostAccess: boolean;
}

async function defaultBootstrap(
  deps: DeployEnvoyDeps,
  request: DeployEnvoyRequest,
  { upstream, inContainer, hostAccess }: Surroundings,
  events: EventSink,
): Promise<JsonObject> {
  const caFile = upstream?.protocol === "https:" ? await findCaFile(deps.env, inContainer) : undefined;
  if (upstream?.protocol === "https:" && caFile === undefined) {
    const message = `the certificate of ${upstream.host} will not be verified: no file of CA certificates was found`;
    events({ type: "warning", message, hint: "name one in SSL_CERT_FILE" });
  }
  const { listen = DEFAULT_LISTEN, admin = DEFAULT_ADMIN } = request;
  return buildDefaultBootstrap({ listen, admin, upstream, caFile, connectTo: hostAccess ? HOST_NAME : undefined });
}

async function warnOrThrow(
  deps: Pick<DeployEnvoyDeps, "signal">,
  filter: {
    readonly module: LocalModule;
    readonly rootId: string;
    readonly rootIds: readonly string[];
    readonly request: DeployEnvoyRequest;
  },
  events: EventSink,
): Promise<void> {
  const { module, request, rootId, rootIds } = filter;
  const { check = true, config = "" } = request;
  if (!check) return;
  const where = formatReference(request.image);
  await requireFittingConfig(readSchemaOrWarn(module.image.configSchema, where, events), config, where);
  const examined = await examineModule(
    { module: module.bytes, config, rootId, rootIds },
    { smoke: true, signal: deps.signal },
  );
  assertLoadable(examined.report, `the module of ${where}`);
  refuseErrors(examined.findings, where);
  tellWarnings(examined.findings, where, events);
}

function noPlace(probe: ReturnType<typeof insertIntoBootstrap>, where: string): Error {
  const why =
    probe.outdated > 0
      ? "only some in the v2 form that Envoy no longer reads"
      : probe.withoutRouter > 0
        ? "only some without a router"
        : "none at all";
  return new WasmeError(
    "not-found",
    "NO_CONNECTION_MANAGER",
    `${where} has no HTTP connection manager for the filter: ${why}`,
    {
      hint: "the filter goes before envoy.filters.http.router in http_filters of a v3 HttpConnectionManager",
    },
  );
}

import type { Access } from "./access-token.ts";
import type { Gate } from "./gate.ts";
import { deleteBlob, serveBlob } from "./registry-blobs.ts";
import type { Exchange } from "./registry-exchange.ts";
import { listReferrers, listRepositories, listTags } from "./registry-lists.ts";
import { deleteManifest, putManifest, serveManifest } from "./registry-manifests.ts";
import { RegistryRefusal, replyJson } from "./registry-reply.ts";
import { appendUpload, cancelUpload, finishUpload, showUpload, startUpload } from "./registry-uploads.ts";

/** What the server lets anybody do at all. */
export interface RegistryPolicy {
  readonly gate: Gate;
  /** Refuses all that changes something. */
  readonly readOnly: boolean;
  /** False refuses to delete manifests, tags and blobs. */
  readonly deletes: boolean;
}

type Handler = (exchange: Exchange, repository: string, rest: string) => Promise<void> | void;

interface Route {
  readonly pattern: RegExp;
  /** Is about an upload under way. A repository may have that in its name, too: its path does not tell. */
  readonly isUpload?: boolean;
  readonly methods: Readonly<Record<string, Handler>>;
}

const NAME = "(?<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)";
const TARGET = "(?<rest>[^/]{1,512})";

/** The endpoints of the distribution spec ("Endpoints"), the longest paths first. */
const ROUTES: readonly Route[] = [
  {
    pattern: new RegExp(`^${NAME}/blobs/uploads/(?<rest>[^/]{1,100})$`, "u"),
    isUpload: true,
    methods: { GET: showUpload, HEAD: showUpload, PATCH: appendUpload, PUT: finishUpload, DELETE: cancelUpload },
  },
  { pattern: new RegExp(`^${NAME}/blobs/uploads/?$`, "u"), isUpload: true, methods: { POST: startUpload } },
  {
    pattern: new RegExp(`^${NAME}/blobs/${TARGET}$`, "u"),
    methods: { GET: serveBlob, HEAD: serveBlob, DELETE: deleteBlob },
  },
  {
    pattern: new RegExp(`^${NAME}/manifests/${TARGET}$`, "u"),
    methods: { GET: serveManifest, HEAD: serveManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { pattern: new RegExp(`^${NAME}/tags/list$`, "u"), methods: { GET: listTags, HEAD: listTags } },
  { pattern: new RegExp(`^${NAME}/referrers/${TARGET}$`, "u"), methods: { GET: listReferrers, HEAD: listReferrers } },
  { pattern: /^_catalog$/u, methods: { GET: listRepositories, HEAD: listRepositories } },
  { pattern: /^$/u, methods: { GET: serveBase, HEAD: serveBase } },
];

/** What answers a request, and what its sender must be allowed to do. */
export interface Endpoint {
  /** Nothing for the base of the API, which asks everybody who they are. */
  readonly wanted: readonly Access[];
  /** Throws a {@link RegistryRefusal} for what there is not and what the policy forbids. */
  run(exchange: Exchange): Promise<void>;
}

/** Finds what answers a request; `path` is what follows `/v2/`. */
export function findEndpoint(method: string, path: string, policy: RegistryPolicy, query: URLSearchParams): Endpoint {
  for (const { pattern, methods, isUpload = false } of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const { repository = "", rest = "" } = match.groups ?? {};
    const allowed = Object.keys(methods).filter((each) => isAllowed(each, isUpload, policy));
    return {
      wanted: accessOf(method, { path, repository, isUpload }, query),
      run: async (exchange) => {
        const handler = allowed.includes(method) ? methods[method] : undefined;
        if (handler === undefined) throw unsupported(whyNot(method, Object.keys(methods), policy), allowed);
        await handler(exchange, repository, decode(rest));
      },
    };
  }
  const refusal = new RegistryRefusal(404, "NAME_INVALID", "there is nothing of that name");
  return { wanted: [], run: () => Promise.reject(refusal) };
}

interface Asked {
  readonly path: string;
  readonly repository: string;
  readonly isUpload: boolean;
}

function accessOf(method: string, { path, repository, isUpload }: Asked, query: URLSearchParams): readonly Access[] {
  if (path === "") return [];
  if (path === "_catalog") return [{ type: "registry", name: "catalog", actions: ["*"] }];
  const own: Access = { type: "repository", name: repository, actions: actionsOf(method, isUpload) };
  const from = query.get("mount") === null ? null : query.get("from");
  return from === null || from === "" ? [own] : [own, { type: "repository", name: from, actions: ["pull"] }];
}

function actionsOf(method: string, isUpload: boolean): readonly string[] {
  if (isUpload) return ["pull", "push"];
  if (method === "GET" || method === "HEAD") return ["pull"];
  return method === "DELETE" ? ["delete"] : ["pull", "push"];
}

function isAllowed(method: string, isUpload: boolean, { readOnly, deletes }: RegistryPolicy): boolean {
  if (method === "GET" || method === "HEAD") return !(readOnly && isUpload);
  return !readOnly && (deletes || isUpload || method !== "DELETE");
}

/** A method there is for such a place is only missing because this server was started so. */
function whyNot(method: string, methods: readonly string[], { readOnly }: RegistryPolicy): string {
  if (!methods.includes(method)) return `${method} is not supported here`;
  return readOnly ? "this registry is read-only" : "this registry deletes nothing";
}

function unsupported(why: string, allowed: readonly string[]): RegistryRefusal {
  return new RegistryRefusal(405, "UNSUPPORTED", why, {
    headers: { allow: allowed.join(", ") },
  });
}

/** Some clients write the colon of a digest as `%3A`. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function serveBase({ response }: Exchange): void {
  replyJson(response, {});
}

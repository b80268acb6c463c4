import { serveBlob } from "./registry-blobs.ts";
import type { Exchange } from "./registry-exchange.ts";
import { listReferrers, listRepositories, listTags } from "./registry-lists.ts";
import { deleteManifest, putManifest, serveManifest } from "./registry-manifests.ts";
import { RegistryRefusal, replyJson } from "./registry-reply.ts";
import { appendUpload, cancelUpload, finishUpload, showUpload, startUpload } from "./registry-uploads.ts";

type Handler = (exchange: Exchange, repository: string, rest: string) => Promise<void> | void;

interface Route {
  readonly pattern: RegExp;
  readonly methods: Readonly<Record<string, Handler>>;
}

const NAME = "(?<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)";
const TARGET = "(?<rest>[A-Za-z0-9_][A-Za-z0-9._:-]{0,200})";

/** The endpoints of the distribution spec ("Endpoints"), the longest paths first. */
const ROUTES: readonly Route[] = [
  {
    pattern: new RegExp(`^${NAME}/blobs/uploads/(?<rest>[0-9a-f-]{36})$`, "u"),
    methods: { GET: showUpload, PATCH: appendUpload, PUT: finishUpload, DELETE: cancelUpload },
  },
  { pattern: new RegExp(`^${NAME}/blobs/uploads/?$`, "u"), methods: { POST: startUpload } },
  { pattern: new RegExp(`^${NAME}/blobs/${TARGET}$`, "u"), methods: { GET: serveBlob, HEAD: serveBlob } },
  {
    pattern: new RegExp(`^${NAME}/manifests/${TARGET}$`, "u"),
    methods: { GET: serveManifest, HEAD: serveManifest, PUT: putManifest, DELETE: deleteManifest },
  },
  { pattern: new RegExp(`^${NAME}/tags/list$`, "u"), methods: { GET: listTags } },
  { pattern: new RegExp(`^${NAME}/referrers/${TARGET}$`, "u"), methods: { GET: listReferrers } },
  { pattern: /^_catalog$/u, methods: { GET: listRepositories } },
  { pattern: /^$/u, methods: { GET: serveBase, HEAD: serveBase } },
];

/** Answers one request. `path` is what follows `/v2/`. Throws a {@link RegistryRefusal} for what there is not. */
export async function routeRequest(exchange: Exchange, path: string): Promise<void> {
  for (const { pattern, methods } of ROUTES) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const handler = methods[exchange.request.method ?? ""];
    if (handler === undefined) {
      const allow = Object.keys(methods).join(", ");
      throw new RegistryRefusal(405, "UNSUPPORTED", `${exchange.request.method ?? ""} is not supported here`, {
        allow,
      });
    }
    await handler(exchange, match.groups?.["repository"] ?? "", match.groups?.["rest"] ?? "");
    return;
  }
  throw new RegistryRefusal(404, "NAME_INVALID", "there is nothing of that name");
}

function serveBase({ response }: Exchange): void {
  replyJson(response, {});
}

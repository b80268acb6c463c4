import { WasmeError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import { expectObject } from "./answer.ts";
import type { ApiClient } from "./client.ts";
import { apiVersion } from "./kinds.ts";
import { isKubeObject, type KubeObject, listAt, stringAt } from "./objects.ts";
import type { ObjectList, ObjectPage, Selection } from "./port.ts";
import type { Intent } from "./status-error.ts";

/** Objects asked for at once when all are wanted: each request is a round trip somebody waits for. */
const PAGE = 500;
/** Objects of a page that is worked on before the next is fetched: what a page takes as text and as objects is garbage soon. */
export const SMALL_PAGE = 100;
/** So many times a list is begun again because the server forgot it half-way. */
const MAX_STARTS = 3;

/** What to accept when only metadata is wanted; servers that do not know it send whole objects. */
export const METADATA_ACCEPT: Readonly<Record<"list" | "watch", string>> = {
  list: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
  watch: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
};

/** See `KubePort.pages`. */
export async function* listPages(
  client: ApiClient,
  path: string,
  selection: Selection,
  { limit = PAGE, signal }: { readonly limit?: number; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<ObjectPage> {
  const { labelSelector, fieldSelector, metadataOnly } = selection;
  const intent: Intent = { ...selection, verb: "list" };
  const accept = metadataOnly === true ? { accept: METADATA_ACCEPT.list } : {};
  let next: string | undefined;
  do {
    const query = { limit: String(limit), continue: next, labelSelector, fieldSelector };
    const page = await expectObject(client, { method: "GET", path, query, intent, ...accept }, signal);
    const items = listAt(page, "items").map((item) => withKind(item, selection));
    next = stringAt(page, "metadata", "continue");
    yield {
      items: items.filter((item) => isKubeObject(item)),
      resourceVersion: stringAt(page, "metadata", "resourceVersion") ?? "",
    };
  } while (next !== undefined && next !== "");
}

/** See `KubePort.list`. */
export async function listAll(
  client: ApiClient,
  path: string,
  selection: Selection,
  signal?: AbortSignal,
): Promise<ObjectList> {
  for (let start = 1; ; start += 1) {
    try {
      const items: KubeObject[] = [];
      let resourceVersion = "";
      for await (const page of listPages(client, path, selection, { signal })) {
        items.push(...page.items);
        ({ resourceVersion } = page);
      }
      return { items, resourceVersion };
    } catch (error) {
      const forgotten = error instanceof WasmeError && error.code === "KUBE_GONE";
      if (!forgotten || start === MAX_STARTS) throw error;
    }
  }
}

/** Items of built-in kinds come without apiVersion and kind, metadata alone as another kind. */
export function withKind(item: unknown, { kind }: Selection): unknown {
  return isObject(item) ? { ...item, apiVersion: apiVersion(kind), kind: kind.kind } : item;
}

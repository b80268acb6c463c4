import { messageOf, WasmeError } from "../domain/errors.ts";
import type { Quirks } from "./quirks.ts";
import { repositoryScope } from "./scopes.ts";
import { type Upload, type UploadAnswer, UploadSession } from "./upload-session.ts";

/** What came of asking for a place: none is needed when the blob was mounted. */
export type Started = { readonly mountedFrom: string } | { readonly session: UploadSession };

/**
 * Starts an upload. The first time, where another repository of the registry is believed to have the blob, the same
 * request asks to mount it from there (distribution spec, end-11); whatever goes wrong with that, an upload is next.
 */
export async function startUpload(upload: Upload, quirks: Quirks, first: boolean): Promise<Started> {
  const { context, descriptor } = upload;
  const from = context.mountFrom(descriptor.digest).find((each) => each !== context.repository);
  const mounted = first && quirks.mount && from !== undefined ? await tryMount(upload, from) : undefined;
  if (mounted !== undefined) return mounted;
  const answer = await UploadSession.open(upload);
  if (answer.response.status === 202) return { session: UploadSession.of(upload, answer) };
  throw await context.session.refusal(answer, answer.request);
}

/** `undefined` when the registry wants nothing of it. */
async function tryMount(upload: Upload, from: string): Promise<Started | undefined> {
  const query = `?mount=${upload.descriptor.digest}&from=${encodeURIComponent(from)}`;
  let answer: UploadAnswer;
  try {
    answer = await UploadSession.open(upload, query, [repositoryScope(from, "pull")]);
  } catch (error) {
    // What may pass is tried again as a plain upload, within the same budget.
    if (!(error instanceof WasmeError)) throw error;
    tellNoMount(upload, from, messageOf(error));
    return undefined;
  }
  const { response } = answer;
  if (response.status === 202) return { session: UploadSession.of(upload, answer) };
  response.discard();
  if (response.status === 201) return { mountedFrom: from };
  tellNoMount(upload, from, `it answered ${response.status}`);
  return undefined;
}

function tellNoMount({ context, descriptor }: Upload, from: string, why: string): void {
  const { session } = context;
  const message = `${session.host} does not mount ${descriptor.digest} from ${from}: ${why}`;
  session.deps.events({ type: "debug", message });
}

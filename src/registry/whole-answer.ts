import type { FollowedResponse } from "./follow-redirects.ts";
import { readBody } from "./read-body.ts";
import { withRetry } from "./retry.ts";
import type { ApiRequest, Session } from "./session.ts";

/** An answer; `body` is that of a 200, of any other it is still to be read or discarded. */
export interface WholeAnswer extends FollowedResponse {
  readonly body: Uint8Array | undefined;
}

/**
 * As `Session.send`, and reads the body of a 200, at most `limit` bytes: an answer that broke off in the middle is asked
 * for again like one that never came. Throws as `readBody` does.
 */
export async function sendAndRead(session: Session, request: ApiRequest, limit: number): Promise<WholeAnswer> {
  const budget = request.budget ?? session.budget(request.signal);
  return await withRetry(budget, async () => {
    const followed = await session.once({ ...request, budget });
    const { response, url } = followed;
    return { ...followed, body: response.status === 200 ? await readBody(response, url, limit) : undefined };
  });
}

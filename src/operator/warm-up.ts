import { WasmeError } from "../domain/errors.ts";
import { parseImageReference } from "../domain/image-reference.ts";
import type { SpareThread } from "../isolate/spare-thread.ts";
import type { SteadyClock } from "../platform/clock.ts";
import { Images, type ImagesDeps } from "./images.ts";

/** What is made ready, and with what. */
export interface WarmUpDeps {
  readonly spare: SpareThread;
  readonly connect: ImagesDeps["connect"];
  readonly clock: SteadyClock;
  /** Where this program's own server answers; it has no images. */
  readonly url: string;
  readonly signal: AbortSignal;
}

/**
 * Loads what looking at a first image and running its module takes, and starts the thread for that: the first
 * FilterDeployment need not wait for it.
 */
export async function warmUp(deps: WarmUpDeps): Promise<void> {
  deps.spare.prepare();
  await Promise.all([
    import("../deploy/try-filter.ts"),
    import("../images/whole-image.ts"),
    import("../registry/blob-download.ts"),
    rehearse(deps),
  ]);
}

/**
 * Asks this program's own server for an image. The answer is that there is none, but then all is loaded and compiled that
 * a first question to a registry takes, which is longer than the question.
 */
async function rehearse({ connect, clock, url, signal }: WarmUpDeps): Promise<void> {
  const images = new Images({ connect, clock, resolveMs: 0 });
  try {
    const reference = parseImageReference(`localhost:${new URL(url).port}/no/such:image`);
    await images.resolve(reference, { insecure: false, plainHttp: true, pull: undefined }, { signal });
  } catch (error) {
    if (!(error instanceof WasmeError)) throw error;
  } finally {
    images.close();
  }
}

import type { Checks } from "./checks.ts";
import type { ReadBytes } from "./matchers.ts";
import type { Place } from "./shape.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What answering callouts needs. */
export interface CalloutSetting {
  readonly time: VirtualTime;
  readonly checks: Checks;
  readonly readBytes: ReadBytes;
  /** Place of the test. */
  readonly at: Place;
}

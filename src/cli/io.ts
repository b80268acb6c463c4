import type { Env } from "../platform/env.ts";
import type { StandardStreams } from "../platform/terminal.ts";

/** The world the program is started in; `bin/wasme.js` passes the process's own. */
export interface Io extends StandardStreams {
  readonly env: Env;
  readonly cwd: string;
}

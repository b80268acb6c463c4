import { WasmeError } from "../domain/errors.ts";
import type { ModuleProblem } from "../wasm/module-report.ts";

/** A module no host takes. The message is what Envoy says about the first thing that is wrong with it. */
export class ModuleRefused extends WasmeError {
  override readonly name: string = "ModuleRefused";
  /** All that is wrong, in this project's own words. */
  readonly problems: readonly ModuleProblem[];

  constructor(message: string, problems: readonly ModuleProblem[], cause?: unknown) {
    const [first] = problems;
    super("incompatible", "HOST_MODULE_REFUSED", message, {
      ...(first?.hint === undefined ? {} : { hint: first.hint }),
      details: { problems },
      ...(cause === undefined ? {} : { cause }),
    });
    this.problems = problems;
  }
}

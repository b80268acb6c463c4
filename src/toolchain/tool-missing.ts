import { type ErrorOptions, WasmeError } from "../domain/errors.ts";

/**
 * The error of a way to build that is not there on this machine: no tool (`TOOL_MISSING`), or one that cannot build a
 * filter (`TOOL_UNFIT`: too old, without the target or the sysroot). With `--builder auto` a container may serve
 * instead; every other error of a runner ends the build.
 */
export function toolMissing(
  code: "TOOL_MISSING" | "TOOL_UNFIT",
  message: string,
  options: ErrorOptions & { readonly hint: string },
): WasmeError {
  return new WasmeError("build-failed", code, message, options);
}

/** Whether the error is one of {@link toolMissing}. */
export function isToolMissing(error: unknown): error is WasmeError {
  return error instanceof WasmeError && (error.code === "TOOL_MISSING" || error.code === "TOOL_UNFIT");
}

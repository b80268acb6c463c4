import { WasmeError } from "../../src/domain/errors.ts";

/** The error that work is refused with; fails the test for any other end. */
export async function failure(work: Promise<unknown>): Promise<WasmeError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof WasmeError) return error;
  throw new Error(`expected a WasmeError, got ${String(error)}`, { cause: error });
}

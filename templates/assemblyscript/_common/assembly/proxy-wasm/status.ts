/** What the proxy answers to a host call. */
export const enum Status {
  Ok = 0,
  /** No such header, property, queue, metric or key. */
  NotFound = 1,
  /** Not possible now (a header map outside its phase), or a bad value (an unknown cluster). */
  BadArgument = 2,
  SerializationFailure = 3,
  ParseFailure = 4,
  InvalidMemoryAccess = 6,
  /** The queue is empty. */
  Empty = 7,
  /** Somebody else wrote the shared data in between. */
  CasMismatch = 8,
  InternalFailure = 10,
  Unimplemented = 12,
}

let last: Status = Status.Ok;

/** The answer to the last host call that returned `false` or `null`: why it did. */
export function lastStatus(): Status {
  return last;
}

/** Remembers why a call failed, and says whether it worked. */
// @ts-ignore: decorator
@inline
export function ok(status: i32): bool {
  if (status == 0) return true;
  last = status;
  return false;
}

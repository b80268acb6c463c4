/**
 * For filters on `@solo-io/proxy-runtime` up to 0.1.8: before 0.18 the AssemblyScript runtime counted references, and
 * these two functions were part of it. Today's runtime traces; pinning keeps an object alive in the same way.
 */
export function __retain(address: usize): usize {
  return address ? __pin(address) : address;
}

export function __release(address: usize): void {
  if (address) __unpin(address);
}

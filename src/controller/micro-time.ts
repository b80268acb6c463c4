/**
 * A time as the API wants it in leases and events (`MicroTime`): RFC 3339 with exactly six digits after the second;
 * three are refused.
 */
export function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}

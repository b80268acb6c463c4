/**
 * True for names that stay on this machine whatever DNS says: `localhost`, `*.localhost` (RFC 6761), `127.0.0.0/8`
 * and `[::1]`, with or without a port.
 */
export function isLoopbackHost(host: string): boolean {
  return /^(?:(?:[^:]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/iu.test(host);
}

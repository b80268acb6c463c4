/**
 * Takes credentials out of text that is about to be shown: user info in URLs, authorization headers, tokens and
 * signatures in query strings; and control characters, which a hostile server could use to repaint a terminal.
 */
export function redact(text: string): string {
  return stripControls(text)
    .replaceAll(/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^/\s"<>]+@/giu, "$1***@")
    .replaceAll(/\b(basic|bearer)\s+(?!realm=")[a-z0-9+/._~=-]{6,}/giu, "$1 ***")
    .replaceAll(/([?&](?:token|access_token|refresh_token|sig|signature|x-amz-[a-z-]+|password)=)[^&\s"']+/giu, "$1***")
    .replaceAll(
      /("(?:auth|password|identitytoken|registrytoken|secret|token|access_token|refresh_token)"\s*:\s*)"(?:[^"\\]|\\.)*"/giu,
      '$1"***"',
    );
}

/**
 * Replaces control characters (but newline and tab) by `\xNN`. `keepStyle` leaves colours and weights as they are: text of
 * ours may have some, and nothing else can be done by them.
 */
export function stripControls(text: string, { keepStyle = false }: { readonly keepStyle?: boolean } = {}): string {
  return text.replaceAll(keepStyle ? CONTROL_OR_STYLE : CONTROL, (found) => {
    return found.length > 1 ? found : `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** Escapes what `JSON.stringify` leaves of control characters: terminals that know the C1 set obey them. */
export function escapeControls(json: string): string {
  return json.replaceAll(/[\u007f-\u009f]/gu, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;
// oxlint-disable-next-line no-control-regex -- as above, and styles (ECMA-48 "SGR")
const CONTROL_OR_STYLE = /\u001b\[[\d;]*m|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;

/** The same for every string inside a JSON-safe value; what is not a string stays. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(redactDeep);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, redactDeep(inner)]));
}

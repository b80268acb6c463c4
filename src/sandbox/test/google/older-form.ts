import type { FieldSchema, MessageSchema, TextMessage } from "./textproto-schema.ts";

/**
 * For a while an expectation's headers stood in a block of their own, `headers { has_header {…} headers_serialized {…} }`,
 * and an immediate response had its headers and body inside `immediate`, with or without that block. The two forms of
 * `headers` are told apart by their fields.
 *
 * @returns the schema with the fields of both forms; {@link liftOlderForm} turns what was read into today's
 */
export function withOlderForm(expectation: MessageSchema): MessageSchema {
  const { has_header: header, headers, immediate, body } = expectation.fields;
  const matcher = messageOf(headers);
  const reply = messageOf(immediate);
  if (header === undefined || headers === undefined || body === undefined) return expectation;
  const both: MessageSchema = {
    name: matcher.name,
    fields: { ...matcher.fields, has_header: header, no_header: header, headers_serialized: headers },
  };
  const block: FieldSchema = { type: { message: both }, repeated: true };
  const whole: MessageSchema = {
    name: reply.name,
    fields: { ...reply.fields, body, has_header: header, no_header: header, headers: block },
  };
  return {
    name: expectation.name,
    fields: { ...expectation.fields, headers: block, immediate: { type: { message: whole } } },
  };
}

function messageOf(field: FieldSchema | undefined): MessageSchema {
  const type = field?.type;
  return typeof type === "object" && "message" in type ? type.message : { name: "", fields: {} };
}

/** Moves what an expectation holds in the older form to where it stands today. Changes the message. */
export function liftOlderForm(expectation: TextMessage): void {
  const immediate = expectation["immediate"] as TextMessage | undefined;
  const blocks = [...listOf(expectation, "headers"), ...listOf(immediate, "headers")];
  const matchers: TextMessage[] = [];
  for (const block of blocks) {
    listOf(expectation, "hasHeader").push(...listOf(block, "hasHeader"));
    listOf(expectation, "noHeader").push(...listOf(block, "noHeader"));
    const serialized = listOf(block, "headersSerialized");
    const isOlder = OLDER.some((name) => listOf(block, name).length > 0);
    matchers.push(...(isOlder ? serialized : [block]));
  }
  for (const matcher of matchers) for (const name of OLDER) delete matcher[name];
  expectation["headers"] = matchers;
  listOf(expectation, "body").push(...listOf(immediate, "body"));
  if (immediate === undefined) return;
  listOf(expectation, "hasHeader").push(...listOf(immediate, "hasHeader"));
  listOf(expectation, "noHeader").push(...listOf(immediate, "noHeader"));
  for (const name of ["headers", "body", ...OLDER]) delete immediate[name];
}

const OLDER = ["hasHeader", "noHeader", "headersSerialized"];

function listOf(message: TextMessage | undefined, property: string): TextMessage[] {
  return (message?.[property] ?? []) as TextMessage[];
}

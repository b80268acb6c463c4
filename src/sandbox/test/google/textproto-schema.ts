/** What a field of a message holds, in Protobuf's own names. `string` is text, `bytes` a string of bytes (latin1). */
export type FieldType =
  | "string"
  | "bytes"
  | "bool"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "double"
  | { readonly message: MessageSchema }
  | { readonly values: Readonly<Record<string, number>> };

/** One field. */
export interface FieldSchema {
  readonly type: FieldType;
  readonly repeated?: true;
  /** Fields of one `oneof` exclude each other. */
  readonly oneof?: string;
  /** The field this is an older name of. */
  readonly olderNameOf?: string;
}

/** One message: what a `.proto` file says of it, as far as its text needs. */
export interface MessageSchema {
  readonly name: string;
  readonly fields: Readonly<Record<string, FieldSchema>>;
  /** What to try when a text that is no such message is given for one: the end of a hint. */
  readonly insteadOf?: string;
}

/**
 * A message read: properties are the fields' names in camel case; repeated ones are lists, others absent when not given.
 * Numbers of 64 bits are `bigint`s, enum values their names.
 */
export type TextMessage = Record<string, unknown>;

/** A place in a text, both from 1. Columns count characters. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** The property a field's value is kept under: `time_secs` is `timeSecs`. */
export function propertyOf(name: string): string {
  return name.replace(/_(\w)/gu, (_, letter: string) => letter.toUpperCase());
}

/** A message with nothing given: lists are there and empty. */
export function emptyMessage(schema: MessageSchema): TextMessage {
  const message: TextMessage = {};
  for (const [name, field] of Object.entries(schema.fields)) {
    if (field.repeated === true && field.olderNameOf === undefined) message[propertyOf(name)] = [];
  }
  return message;
}

/** The smallest and largest number of an integer type. */
export function integerRange(type: "int32" | "uint32" | "int64" | "uint64"): readonly [bigint, bigint] {
  const bits = type.endsWith("32") ? 32n : 64n;
  return type.startsWith("u") ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
}

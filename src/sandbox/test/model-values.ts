import type { Json } from "../../domain/json.ts";

/** A text; numbers and booleans are taken as they are written. */
export type Text = string | number | boolean;

/** Text, or bytes given as base64, by a file, or as the JSON text of a value. */
export type Content = Text | { readonly base64: string } | { readonly file: string } | { readonly json: Json };

/** A body: one piece, or pieces in turn. */
export type Body = Content | readonly Chunk[];

/** A piece of a body, `after` that much time since the one before. */
export interface Chunk {
  readonly chunk: Content;
  readonly after?: Duration;
}

/** Names and values; a list is several entries of one name, `null` none. */
export type HeaderValues = Readonly<Record<string, Text | readonly Text[] | null>>;

/** `120ms`, `1s`, `1m30s`; a number is milliseconds. Virtual time always. */
export type Duration = string | number;

/** A property: its type is the one Envoy gives that name, else that of the value; one key of the map form says it outright. */
export type Property =
  | Text
  | {
      readonly string?: string;
      readonly base64?: string;
      readonly int?: number | string;
      readonly uint?: number | string;
      readonly double?: number;
      readonly bool?: boolean;
      readonly time?: string;
      readonly duration?: Duration;
      readonly map?: Readonly<Record<string, Property>>;
      readonly list?: readonly Property[];
    };

import type { Json } from "../../domain/json.ts";
import type { Body, Chunk, Content, HeaderValues, Property, Text } from "./model-values.ts";
import { base64, duration, flag, json, number, string, text } from "./scalar-shapes.ts";
import { type Field, listOfShape, mapOf, named, object, oneOf, type Shape } from "./shape.ts";

/** A key and what an editor shows for it. */
export function field<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, about };
}

type ContentForms = { base64: string; file: string; json: Json };

/** Text or bytes. */
export const content: Shape<Content> = named("Content", () =>
  oneOf<Content>("text, or one of base64, file and json", {
    text,
    map: object<ContentForms>(
      "content",
      {
        base64: field(base64, "Bytes, in base64."),
        file: field(string("a path"), "The bytes of a file; the path starts at the folder of the test file."),
        json: field(json, "The JSON text of this value."),
      },
      { keys: "one" },
    ),
  }),
);

const chunk: Shape<Chunk> = named("Chunk", () =>
  object<Chunk>(
    "a piece of a body",
    {
      chunk: field(content, "The bytes."),
      after: field(duration, "Virtual time since the piece before."),
    },
    { required: ["chunk"] },
  ),
);

/** One piece, or pieces in turn. */
export const body: Shape<Body> = named("Body", () =>
  oneOf<Body>("text, content or a list of pieces", {
    text,
    map: content,
    list: listOfShape<Chunk>("the pieces of a body", chunk),
  }),
);

/** Names and values of headers or trailers. */
export const headerValues: Shape<HeaderValues> = named("HeaderValues", () =>
  mapOf(
    "headers",
    oneOf<Text | readonly Text[] | null>("text, a list of texts, or nothing", {
      text,
      list: listOfShape("the values of a header", text),
      nothing: { schema: () => ({ type: "null" }), read: (): null => null },
    }),
  ),
);

type PropertyForms = Exclude<Property, Text>;

const bigNumber: Shape<number | string> = {
  schema: () => ({ anyOf: [{ type: "integer" }, { type: "string", pattern: "^-?\\d{1,20}$" }] }),
  read: (value, at, context) =>
    typeof value === "string" && /^-?\d{1,20}$/u.test(value) ? value : number({ whole: true }).read(value, at, context),
};

const plainProperty: Shape<Text> = {
  schema: () => ({ type: ["string", "number", "boolean"] }),
  // Here the kind of the value decides its encoding, so that it is kept.
  read: (value, at, context) =>
    typeof value === "number" || typeof value === "boolean" ? value : text.read(value, at, context),
};

/** A property with its type. */
export const property: Shape<Property> = named("Property", () =>
  oneOf<Property>("a value, or a map that names its type", {
    text: plainProperty,
    map: object<PropertyForms>(
      "a property",
      {
        string: field(string("text"), "Text."),
        base64: field(base64, "Bytes, in base64."),
        int: field(bigNumber, "Signed whole number: 8 bytes."),
        uint: field(bigNumber, "Whole number: 8 bytes."),
        double: field(number(), "Floating-point number: 8 bytes."),
        bool: field(flag, "One byte."),
        time: field(string("a time"), "A time (ISO 8601): nanoseconds since 1970, 8 bytes."),
        duration: field(duration, "A duration: nanoseconds, 8 bytes."),
        map: field(mapOf("properties", property), "Names and values, as pairs."),
        list: field(listOfShape("properties", property), "Values, as pairs."),
      },
      { keys: "one" },
    ),
  }),
);

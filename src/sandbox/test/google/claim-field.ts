import { didYouMean } from "../../../domain/did-you-mean.ts";
import { type FieldSchema, type MessageSchema, propertyOf } from "./textproto-schema.ts";

/** A field that was named: its schema and where its value goes. Or what is wrong with naming it here. */
export type FieldClaim =
  | { readonly field: FieldSchema; readonly property: string }
  | { readonly problem: string; readonly hint?: string };

/**
 * Finds the field a name means and remembers that it was given: fields that take one value are given once, and of a
 * `oneof` one is given.
 *
 * @param given what was given in this message so far
 * @param again whether a repeated field may be named again
 */
export function claimField(
  schema: MessageSchema,
  name: string,
  { given, again }: { readonly given: Map<string, string>; readonly again: boolean },
): FieldClaim {
  const field = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
  if (field === undefined) return unknown(schema, name);
  const canonical = field.olderNameOf ?? name;
  const property = propertyOf(canonical);
  if (field.repeated === true && again) return { field, property };
  const group = field.oneof ?? canonical;
  const before = given.get(group);
  given.set(group, name);
  if (before === undefined) return { field, property };
  const what = before === name ? `"${name}" is given twice` : `"${name}" and "${before}" exclude each other`;
  return { problem: `${what} in ${schema.name}` };
}

function unknown(schema: MessageSchema, name: string): FieldClaim {
  const names = Object.keys(schema.fields);
  const near = didYouMean(name, names);
  const instead = schema.insteadOf === undefined ? "" : `; ${schema.insteadOf}`;
  const hint = near === undefined ? `its fields are ${names.join(", ")}${instead}` : `did you mean "${near}"?`;
  return { problem: `${schema.name} has no field "${name}"`, hint };
}

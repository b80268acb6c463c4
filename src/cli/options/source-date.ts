import { parseSourceDate } from "../../domain/source-date.ts";
import type { Context } from "../context.ts";

/** The time that `SOURCE_DATE_EPOCH` asks to be written into what is made; nothing when it is not set. Throws as it. */
export function sourceDateOf({ env }: Pick<Context, "env">): { readonly created?: Date } {
  const created = parseSourceDate(env["SOURCE_DATE_EPOCH"]);
  return created === undefined ? {} : { created };
}

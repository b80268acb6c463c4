import { FAILURE_POLICIES, type FailurePolicy } from "../../domain/filter.ts";
import type { OptionSpec } from "../command-spec.ts";
import type { Context } from "../context.ts";
import { choice, text, textOrFile, type Values } from "./read.ts";

/** What makes a module a filter, common to every data plane. */
export const filterOptions: readonly OptionSpec[] = [
  { flags: "--config <text>", description: "plugin config, verbatim; @file reads it from a file" },
  { flags: "--root-id <id>", description: "root id; default the first one the image names" },
  {
    flags: "--fail <policy>",
    description: "when the filter breaks: refuse requests, let them through, or reload it",
    choices: FAILURE_POLICIES,
    default: "closed",
  },
];

/** The filter options read; `@file` is read here. */
export async function readFilter(
  context: Context,
  values: Values,
): Promise<{ config: string | undefined; rootId: string | undefined; failurePolicy: FailurePolicy }> {
  return {
    config: await textOrFile(text(values, "config"), "--config", context.cwd),
    rootId: text(values, "rootId"),
    failurePolicy: choice(values, "fail", FAILURE_POLICIES, "closed"),
  };
}

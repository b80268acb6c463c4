import type { ConfigSchema } from "../../domain/config-schema.ts";
import type { ProfileName } from "../../host/profile.ts";
import type { FilterSettings, Given, TestCase } from "./model.ts";

/** One case as it is run: everything that decides it is in here, plain data. */
export interface PlannedCase {
  /** Path of the test file as the user named it. */
  readonly file: string;
  /** Absolute; paths in the test start here. */
  readonly folder: string;
  readonly line: number | undefined;
  /** With what the matrix adds: `no credentials [profile google]`. */
  readonly name: string;
  /** Place in the file's list of tests. */
  readonly index: number;
  readonly test: TestCase;
  readonly filters: readonly PlannedFilter[];
  readonly profile: ProfileName;
  readonly strict: boolean;
  /** Budgets in microseconds fail, too. */
  readonly strictBudgets: boolean;
  readonly given: Given;
}

/** One filter and the key of its module among those sent to the worker. */
export interface PlannedFilter {
  readonly settings: FilterSettings;
  readonly module: string;
  /** The root id to take when the settings have none. */
  readonly rootId: string;
  /** What its plugin configuration is held against. */
  readonly schema?: ConfigSchema | undefined;
}

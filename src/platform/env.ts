/** The environment variables of the process, read-only. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The value of a variable; an empty one counts as absent, as everywhere in wasme. */
export function envValue(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === "" ? undefined : value;
}

/** True for `1`, `true`, `yes`, `on` in any case. */
export function envFlag(env: Env, name: string): boolean {
  return /^(?:1|true|yes|on)$/iu.test(env[name] ?? "");
}

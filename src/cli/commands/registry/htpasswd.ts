import { usageError } from "../../../domain/errors.ts";
import { argument, type CommandSpec } from "../../command-spec.ts";
import { credentialOptions, passwordOf } from "../../options/registry.ts";
import { versioned } from "../../outcome.ts";

/** `wasme registry htpasswd USER`. */
export const registryHtpasswd: CommandSpec = {
  name: "registry htpasswd",
  summary: "Print a line for a file of users",
  description: "Hash a password with bcrypt and print the line that registry serve --htpasswd reads: USER:HASH.",
  examples: [
    { command: "wasme registry htpasswd alice > users", does: "asks for the password" },
    { command: "echo $PASSWORD | wasme registry htpasswd alice --password-stdin >> users", does: "in a script" },
  ],
  arguments: [{ name: "<user>", description: "name of the user" }],
  options: credentialOptions.filter(({ flags }) => !flags.includes("--username")),
  async run(context, input) {
    const username = argument(input, 0);
    if (username === "" || /[:#\s]/u.test(username)) {
      throw usageError("USERNAME_INVALID", `${JSON.stringify(username)} cannot be the name of a user`, {
        hint: "use letters, digits and - . _ @",
      });
    }
    const { askSecret } = await import("../../prompt.ts");
    const given = await passwordOf(context, input.options);
    const password =
      given ?? (await askSecret(context, { message: `Password for ${username}`, flag: "--password-stdin" }));
    if (Buffer.byteLength(password) > MAX_PASSWORD) {
      throw usageError(
        "PASSWORD_TOO_LONG",
        `the password has more than ${MAX_PASSWORD} bytes, which bcrypt cannot tell`,
      );
    }
    const { htpasswdLine } = await import("../../../hub/htpasswd.ts");
    const line = await htpasswdLine(username, password);
    return { json: versioned("RegistryHtpasswdResult", { username, line }), names: [line], text: () => line };
  },
};

/** Bytes bcrypt looks at. */
const MAX_PASSWORD = 72;

import { basicCredentials, challengeOf, type Gate, onlyPulls, unauthorized } from "./gate.ts";
import type { UserFile } from "./htpasswd.ts";

/** Asks every request for a user name and password; those that only pull may go without when `anonymousPull`. */
export function basicGate(users: UserFile, anonymousPull: boolean): Gate {
  return {
    admit: async (request, wanted) => {
      const given = basicCredentials(request);
      if (given === undefined && anonymousPull && onlyPulls(wanted)) return undefined;
      if (given === undefined) throw unauthorized("authentication is required", CHALLENGE, wanted);
      if (given !== "broken" && (await users.verify(given.username, given.password))) return given.username;
      throw unauthorized("the user name or password is wrong", CHALLENGE);
    },
  };
}

const CHALLENGE = challengeOf("Basic", { realm: "wasme registry", charset: "UTF-8" });

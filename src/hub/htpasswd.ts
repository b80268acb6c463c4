import { createHmac, randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { usageError, WasmeError } from "../domain/errors.ts";
import { readTextFile } from "../platform/read-file.ts";

/** Who may use a registry, by name and password. */
export interface UserFile {
  /** True when the password is that user's. Slow on purpose for one it has not seen lately. */
  verify(username: string, password: string): Promise<boolean>;
  /** Changes with the user's password; `undefined` when there is no such user now. Tells nothing about the password. */
  fingerprint(username: string): Promise<string | undefined>;
}

/** Bcrypt hashes by user name. */
type Users = ReadonlyMap<string, string>;

/**
 * Parses an htpasswd file; `name` stands in errors. Only bcrypt is taken: the other hashes of htpasswd are broken in
 * seconds. Throws `HTPASSWD_INVALID` (usage) with the number of the line, never with what stands on it.
 */
export function parseHtpasswd(text: string, name: string): Users {
  const users = new Map<string, string>();
  for (const [at, raw] of text.split(/\r?\n/u).entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const [user, hash] = [line.slice(0, Math.max(0, colon)), line.slice(colon + 1)];
    if (user === "") throw invalid(name, at, "it is not USER:HASH");
    if (!BCRYPT.test(hash)) throw invalid(name, at, `the password of ${user} is not hashed with bcrypt`);
    if (users.has(user)) throw invalid(name, at, `${user} stands on an earlier line already`);
    users.set(user, hash);
  }
  if (users.size > 0) return users;
  throw usageError("HTPASSWD_INVALID", `${name} holds no user`, { hint: HINT });
}

/**
 * Opens an htpasswd file (absolute path), and reads it again when it changes; one that became invalid leaves the users as they were,
 * and `onFault` is told. Throws `HTPASSWD_INVALID` (usage) and `FILE_UNREADABLE` (usage).
 */
export async function openHtpasswd(path: string, onFault: (error: Error) => void): Promise<UserFile> {
  let version = await versionOf(path);
  let users = await read(path);
  const matches = rememberMatches();
  const secret = randomBytes(32);
  const current = async (): Promise<Users> => {
    const now = await versionOf(path);
    if (now === version) return users;
    version = now;
    try {
      users = await read(path);
    } catch (error) {
      if (!(error instanceof WasmeError)) throw error;
      onFault(error);
    }
    return users;
  };
  return {
    fingerprint: async (username) => {
      const hash = (await current()).get(username);
      return hash === undefined ? undefined : createHmac("sha256", secret).update(hash).digest("base64url");
    },
    verify: async (username, password) => {
      const known = await current();
      const hash = known.get(username);
      // An unknown user costs as much time as a wrong password: the answer must not tell them apart.
      return (await matches(hash ?? nobodyAmong(known), password)) && hash !== undefined;
    },
  };
}

/** A line for an htpasswd file, without line break. */
export async function htpasswdLine(username: string, password: string): Promise<string> {
  const { hash } = await import("bcryptjs");
  return `${username}:${await hash(password, COST)}`;
}

async function read(path: string): Promise<Users> {
  return parseHtpasswd(await readTextFile(path, { cwd: "/", what: "--htpasswd" }), path);
}

/** Changes when the file does. */
async function versionOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? "" : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

/** A hash no password has, as dear to compare as those of the users: salt and digest are all zero bits. */
function nobodyAmong(users: Users): string {
  const [first = `$2b$${COST}$`] = users.values();
  return `${first.slice(0, 7)}${".".repeat(53)}`;
}

/** Compares hash and password, and remembers the answer, so that not every request of a push costs a bcrypt. */
function rememberMatches(): (hash: string, password: string) => Promise<boolean> {
  const secret = randomBytes(32);
  const known = new Map<string, Promise<boolean>>();
  return async (hash, password) => {
    const key = createHmac("sha256", secret).update(`${hash}\0${password}`).digest("base64");
    const before = known.get(key);
    if (before !== undefined) return await before;
    const { compare } = await import("bcryptjs");
    const answer = compare(password, hash);
    known.set(key, answer);
    const [oldest] = known.keys();
    if (known.size > MOST && oldest !== undefined) known.delete(oldest);
    return await answer;
  };
}

function invalid(name: string, at: number, why: string): Error {
  return usageError("HTPASSWD_INVALID", `line ${at + 1} of ${name}: ${why}`, { hint: HINT });
}

const BCRYPT = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/u;
const HINT = "wasme registry htpasswd USER --password-stdin makes a line; so does htpasswd -nB USER";
/** As `htpasswd -B -C 10`: some 60 ms here. */
const COST = 10;
/** Answers kept; one takes some 100 bytes. */
const MOST = 1000;

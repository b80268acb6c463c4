/** Small helpers of the programs here. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access } from "node:fs/promises";
import { promisify } from "node:util";

/** Runs a program; its output is told. Fails with what it said. */
export async function run(program, args, options = {}) {
  try {
    return await promisify(execFile)(program, args, { maxBuffer: 512 * 1024 * 1024, ...options });
  } catch (error) {
    if (error.code === "ENOENT") throw new Error(`${program} is not in PATH`, { cause: error });
    const said = String(error.stderr ?? "").trim();
    throw new Error(`${program} ${args.join(" ")}: ${said === "" ? error.message : said}`, { cause: error });
  }
}

export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

export async function exists(path) {
  return await access(path).then(
    () => true,
    () => false,
  );
}

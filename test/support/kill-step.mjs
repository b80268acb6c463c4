/**
 * Loaded into `bin/wasme.js` before it starts (`node --import`): counts the steps in which the program changes files
 * below `WASME_KILL_FOLDER`, and ends the process by SIGKILL when `WASME_KILL_STEP` of them are done; 0 is just before
 * the first one. So a kill meets every state the files can be in, however slow or fast the machine is. A run that
 * comes to its end tells on stderr how many steps it took. The product is not changed: its calls reach the file
 * system as they are.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { WASME_KILL_FOLDER: folder, WASME_KILL_STEP: wanted } = process.env;
// Compilers that the program starts are not counted.
for (const name of ["NODE_OPTIONS", "WASME_KILL_FOLDER", "WASME_KILL_STEP"]) delete process.env[name];

const killAt = wanted === "never" ? Infinity : Number(wanted);
let done = 0;

async function step(change) {
  if (done >= killAt) process.kill(process.pid, "SIGKILL");
  const result = await change();
  done += 1;
  if (done >= killAt) process.kill(process.pid, "SIGKILL");
  return result;
}

const isInside = (path) => typeof path === "string" && path.startsWith(folder);

for (const name of ["mkdir", "rename", "link", "unlink", "rm", "writeFile", "copyFile", "utimes"]) {
  const original = fs.promises[name];
  fs.promises[name] = (...args) =>
    args.some(isInside) ? step(() => original.apply(fs.promises, args)) : original.apply(fs.promises, args);
}

const open = fs.promises.open;
fs.promises.open = async (path, flags = "r", mode) => {
  if (!isInside(path) || typeof flags !== "string" || flags === "r") return await open(path, flags, mode);
  const handle = await step(() => open(path, flags, mode));
  // The first piece only: how many there are may depend on how they arrive, and leaves the same kind of file.
  let isBegun = false;
  for (const name of ["write", "writev", "writeFile", "appendFile", "sync"]) {
    const original = handle[name];
    handle[name] = (...args) => {
      if (name !== "sync" && isBegun) return original.apply(handle, args);
      isBegun = true;
      return step(() => original.apply(handle, args));
    };
  }
  return handle;
};
syncBuiltinESMExports();

process.on("exit", () => fs.writeSync(2, `\nsteps: ${done}\n`));

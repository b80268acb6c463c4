// A cache that may be wrong on purpose, in place of `wasme cache serve`: `node fault-cache.mjs cache serve --listen=… …`.
// It serves the files of the folder FAULT_MODULES by name. FAULT_ANSWER says what it does about one that is not there:
// `hold` for it as it should, `404`, or `cut` a body short when it is there.
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const { FAULT_MODULES: folder, FAULT_ANSWER: fault } = process.env;
const listen = process.argv.find((argument) => argument.startsWith("--listen=")) ?? "";
const [host, port] = listen.slice("--listen=".length).split(":");
const waiting = new Set();
watch(folder, () => {
  for (const look of waiting) look();
});

createServer((request, response) => {
  if (request.url === "/readyz") return void response.end("ok");
  const refuse = setTimeout(() => {
    waiting.delete(look);
    response.writeHead(503, { "retry-after": "1" }).end();
  }, 10_000);
  const look = () => {
    readFile(join(folder, request.url.slice(1))).then(
      (bytes) => {
        clearTimeout(refuse);
        waiting.delete(look);
        if (response.headersSent) return;
        response.writeHead(200, { "content-length": bytes.length });
        if (fault === "cut") response.write(bytes.subarray(0, 10), () => response.destroy());
        else response.end(bytes);
      },
      () => {
        if (fault !== "404" || response.headersSent) return;
        clearTimeout(refuse);
        waiting.delete(look);
        response.writeHead(404).end();
      },
    );
  };
  waiting.add(look);
  look();
}).listen(Number(port), host);
process.once("SIGTERM", () => process.exit(0));

/** Packs stdin to stdout as our images are packed. A program, so that the locked Node can run it, whichever Node builds. */
import { gzip } from "../../dist/images/gzip.js";

for await (const piece of gzip(process.stdin)) {
  if (!process.stdout.write(piece)) await new Promise((resolve) => process.stdout.once("drain", resolve));
}

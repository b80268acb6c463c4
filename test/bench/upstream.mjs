/** A small upstream for measurements: 48 bytes for every request. Prints its URL. */
import { createServer } from "node:http";

const body = Buffer.alloc(48, "x");
const headers = ["content-type", "text/plain", "content-length", String(body.length)];
const server = createServer((_request, response) => response.writeHead(200, headers).end(body));
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));

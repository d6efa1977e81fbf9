/**
 * Serves the built pages and a pretend city, under the same content security policy as the real server should use.
 * Usage: node mock/server.mjs [--port 8090] [--scenario normal|flood|empty]
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MockApi } from "./api.mjs";
import { MockCity } from "./city.mjs";
import { MockStream } from "./stream.mjs";

/** MOCK_DIST: pages that were built elsewhere. */
const DIST = process.env.MOCK_DIST ?? fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
};
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async function serveFile(request, response) {
  const path = new URL(request.url, "http://localhost").pathname;
  const name = path === "/" ? "/index.html" : path === "/wall" ? "/wall.html" : path;
  const file = join(DIST, normalize(name));
  if (!file.startsWith(DIST) || !existsSync(file)) return response.writeHead(404).end();
  const headers = {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-security-policy": CONTENT_SECURITY_POLICY,
  };
  response.writeHead(200, headers).end(await readFile(file));
}

/** Starts the pretend server; port 0 takes a free one. */
export async function startMock({ port = 0, scenario = "normal" } = {}) {
  const city = new MockCity({ scenario });
  const api = new MockApi(city);
  const stream = new MockStream(city, api);
  const server = createServer(async (request, response) => {
    if (!(await api.handle(request, response))) await serveFile(request, response);
  });
  server.on("upgrade", (request, socket, head) => stream.upgrade(request, socket, head) || socket.destroy());
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = () =>
    new Promise((resolve) => {
      stream.close();
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}`, city, api, stream, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { port: { type: "string", default: "8090" }, scenario: { type: "string", default: "normal" } },
  });
  const { url } = await startMock({ port: Number(values.port), scenario: values.scenario });
  console.log(`wall: ${url}/wall#token=wall-token  console: ${url}/ (operator / hue)`);
}

import type { Plugin } from "vite";

/** Serves the pretend city below `vite dev`, so that the pages can be worked on without a server. */
export function mockApi(): Plugin {
  return {
    name: "ioc-mock-api",
    apply: "serve",
    async configureServer(server) {
      if (process.env.VITEST) return;
      const [{ MockCity }, { MockApi }, { MockStream }] = await Promise.all([
        import("../mock/city.mjs"),
        import("../mock/api.mjs"),
        import("../mock/stream.mjs"),
      ]);
      const city = new MockCity({ scenario: process.env.MOCK_SCENARIO ?? "flood" });
      const api = new MockApi(city);
      const stream = new MockStream(city, api);
      server.httpServer?.on("upgrade", (request, socket, head) => stream.upgrade(request, socket, head));
      server.httpServer?.on("close", () => stream.close());
      server.middlewares.use((request, response, next) => {
        if (request.url?.split("?")[0] === "/wall") request.url = "/wall.html";
        void api.handle(request, response).then((done) => done || next());
      });
    },
  };
}

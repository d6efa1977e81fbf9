import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";
import { mockApi } from "./build/mock-api.ts";
import { precompress } from "./build/precompress.ts";

const page = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  base: "/",
  plugins: [svelte(), mockApi(), precompress()],
  build: {
    outDir: "dist",
    target: "es2022",
    // Inlined assets would be data: addresses, which the content security policy refuses for workers.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The map library is one chunk of about 1.1 MB; it is shared by both pages and cached for good.
    chunkSizeWarningLimit: 1300,
    rollupOptions: { input: { index: page("index.html"), wall: page("wall.html") } },
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "logic",
          environment: "node",
          include: ["src/**/*.test.ts"],
          exclude: ["src/**/*.dom.test.ts"],
        },
      },
      {
        extends: true,
        plugins: [svelteTesting()],
        test: {
          name: "components",
          environment: "happy-dom",
          include: ["src/**/*.dom.test.ts"],
          setupFiles: ["src/testing/setup.ts"],
        },
      },
    ],
  },
});

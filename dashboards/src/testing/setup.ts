/** Before every test of components: no map, which needs WebGL, and nothing that a test before has left. */
import { afterEach, beforeEach, vi } from "vitest";

vi.mock("maplibre-gl", () => ({
  Map: class {
    constructor() {
      throw new Error("no WebGL here");
    }
  },
  MercatorCoordinate: {},
  setWorkerUrl: () => undefined,
}));

beforeEach(() => {
  location.hash = "";
  localStorage.clear();
});
afterEach(() => vi.unstubAllGlobals());

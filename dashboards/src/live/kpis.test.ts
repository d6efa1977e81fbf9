import { expect, it } from "vitest";
import type { Kpi } from "../api/schema.ts";
import { KpiBoard } from "./kpis.ts";

const kpi = (id: string, t: number | null): Kpi => ({
  id,
  domain: "traffic",
  title: { vi: id, en: id },
  unit: "",
  value: 1,
  t,
  normal: [0, 1],
  scale: [0, 2],
  target: null,
  severity: null,
  decimals: 0,
  history: [],
});

it("takes newer values only, keeps the order, and passes over unknown figures", () => {
  const board = new KpiBoard();
  board.load([kpi("b", 10), kpi("a", null)]);
  board.apply([
    { id: "b", value: 0, severity: null, t: 9 },
    { id: "a", value: 7, severity: "high", t: 11 },
    { id: "x", value: 7, severity: null, t: 11 },
  ]);
  expect(board.list().map(({ id, value, severity }) => [id, value, severity])).toEqual([
    ["b", 1, null],
    ["a", 7, "high"],
  ]);
});

it("shows that there is no fresh data", () => {
  const board = new KpiBoard();
  board.load([kpi("a", 10)]);
  board.apply([{ id: "a", value: null, severity: null, t: null }]);
  expect(board.list()[0]?.value).toBeNull();
});

/** How a measured value stands to the limits of its series. */
import type { TrendLimit } from "../api/types.ts";

export interface Standing {
  /** The highest limit that is reached, if any. */
  passed: TrendLimit | null;
  /** The next one above, if any. */
  next: TrendLimit | null;
}

export function standing(limits: readonly TrendLimit[], value: number): Standing {
  const ascending = [...limits].sort((a, b) => a.value - b.value);
  return {
    passed: ascending.findLast((limit) => value >= limit.value) ?? null,
    next: ascending.find((limit) => value < limit.value) ?? null,
  };
}

const COMPARISON = /(>=|<=|==|!=|>|<)\s*(-?\d+(?:\.\d+)?)\s*$/;

export interface ExprLimit {
  operator: string;
  value: number;
}

/** The number at the end of a rule's expression that its value is compared with; `null` when it ends otherwise. */
export function limitOf(expr: string): ExprLimit | null {
  const match = COMPARISON.exec(expr.trim());
  if (!match?.[1]) return null;
  const operator = { ">=": "≥", "<=": "≤", "==": "=", "!=": "≠" }[match[1]] ?? match[1];
  return { operator, value: Number(match[2]) };
}

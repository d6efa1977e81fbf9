/** Where a measured value lies among the limits of its series. */
import type { Limit } from "../api/schema.ts";

export interface LimitPosition {
  /** The highest limit that is reached, if any. */
  passed: Limit | null;
  /** The next one above, if any. */
  next: Limit | null;
}

export function limitPosition(limits: readonly Limit[], value: number): LimitPosition {
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

/** Quoted texts, brackets of any kind, and the words that join operands. */
const TOKENS = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[([{]|[)\]}]|\b(?:and|or|unless)\b/gi;

/** The operand whose value an expression has: the first of `and` and `unless`; `null` when `or` leaves it open. */
function deciding(expr: string): string | null {
  let depth = 0;
  let end = expr.length;
  for (const { 0: token, index } of expr.matchAll(TOKENS)) {
    if ("([{".includes(token)) depth += 1;
    else if (")]}".includes(token)) depth -= 1;
    else if (depth > 0 || /^["']/.test(token)) continue;
    else if (token.toLowerCase() === "or") return null;
    else end = Math.min(end, index);
  }
  return expr.slice(0, end);
}

/** The number that the value of a rule's expression is compared with; `null` when there is not one such number. */
export function limitOf(expr: string): ExprLimit | null {
  const match = COMPARISON.exec(deciding(expr)?.trim() ?? "");
  if (!match?.[1]) return null;
  const operator = { ">=": "≥", "<=": "≤", "==": "=", "!=": "≠" }[match[1]] ?? match[1];
  return { operator, value: Number(match[2]) };
}

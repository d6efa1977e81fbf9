/** Which columns of the alert table there is room for, so that the message keeps its own. */

/** Two lines of letters. */
export const TALL_ROW_REM = 3;
/** Below this the device goes under the place. */
const ROOMY_REM = 58;
/** Below this who has it is left out, as the row's weight says whether anybody has; of closed ones, the place. */
const SLIM_REM = 46;

export interface Columns {
  tall: boolean;
  place: boolean;
  device: boolean;
  owner: boolean;
}

/**
 * @param rem width of the table; 0 before it is known
 * @param everything closed alerts, too: of those begin and end are told, and who closed them
 */
export const columnsFor = (rem: number, everything: boolean): Columns => ({
  tall: everything || rem < ROOMY_REM,
  place: !everything || rem >= SLIM_REM,
  device: rem >= ROOMY_REM,
  owner: everything || rem >= SLIM_REM,
});

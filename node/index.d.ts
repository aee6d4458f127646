/** Whether `brimline run` records this process. */
export const isRecorded: boolean;

/**
 * Marks this moment in the run; later `brimline report RUN@NAME` and `brimline diff RUN@NAME RUN` know it.
 * @param name letters, digits, `-`, `_` and `.`
 * @returns whether it was noted; `false` at once in a process that is not recorded
 */
export function mark(name: string): Promise<boolean>;

/**
 * Captures the memory of this process now, after a garbage collection, under a name.
 * @param name as for `mark`; without it `snapshot-1`, `snapshot-2`, …
 * @returns the capture's name, or `null` where there is none; `null` at once in a process that is not recorded
 */
export function snapshot(name?: string): Promise<string | null>;

/** The longest wait a Node timer can hold, milliseconds (25 days): what is longer would end at once instead. */
export const longestTimerMs = 2 ** 31 - 1;

/** int8 columns come from the driver as strings; the values kept here stay below 2^53. */
export const int8 = {
  to: (value: number | null) => value,
  from: (value: string | null) => (value === null ? null : Number(value)),
};

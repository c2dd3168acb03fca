/** One fault tried: what was done and whether the system bore it. */
export type Case = { name: string; ok: boolean; detail: string };
/** `wanted`: by its name, where only some were asked for. */
export type FaultSuite = {
  about: string;
  run: (log: (line: string) => void, wanted: (name: string) => boolean) => Promise<Case[]>;
};

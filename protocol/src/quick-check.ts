import type { z } from 'zod';

/** True: the schema would give back this very value, with nothing changed, dropped or refused. False says nothing. */
export type QuickCheck = (value: unknown) => boolean;
type Schemas = z.core.$ZodTypes;
type Checks = z.core.$ZodChecks;

/**
 * Made from a schema, for where messages come by the ten thousand: several times as fast as its own parsing, since nothing is
 * built. What it does not know of, it is never sure about; the caller then asks the schema, which has the last word anyway.
 */
export function quickCheck(schema: z.core.$ZodType): QuickCheck {
  const { def } = (schema as Schemas)._zod;
  const own = typeCheck(def as Schemas['_zod']['def']);
  const checks = (def.checks ?? []).map((check) => (check as Checks)._zod.def);
  const within = def.type === 'number' ? wholeNumberCheck(def as z.core.$ZodNumberDef & { format?: string }, checks) : undefined;
  if (within) return within;
  const [first, ...more] = checks.map(checkOf);
  if (!first) return own;
  if (more.length === 0) return (value) => own(value) && first(value);
  return (value) => own(value) && first(value) && more.every((holds) => holds(value));
}

const unsure: QuickCheck = () => false;

function typeCheck(def: Schemas['_zod']['def']): QuickCheck {
  // Of what is not named here it is never sure.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (def.type) {
    case 'object':
      return def.catchall === undefined ? objectCheck(def.shape) : unsure;
    case 'array':
      return arrayCheck(quickCheck(def.element));
    case 'record':
      return recordCheck(quickCheck(def.keyType), quickCheck(def.valueType));
    case 'optional':
      return optionalCheck(quickCheck(def.innerType));
    case 'union':
      // Without a discriminator an earlier option could take the value and drop a part of it.
      return 'discriminator' in def ? unionCheck(def.options.map(quickCheck)) : unsure;
    case 'unknown':
      return () => true;
    case 'literal':
      return (value) => def.values.includes(value as never);
    case 'enum':
      return enumCheck(Object.values(def.entries));
    case 'boolean':
      return def.coerce ? unsure : (value) => typeof value === 'boolean';
    case 'number':
      return numberCheck(def);
    case 'string':
      return stringCheck(def);
    default:
      return unsure;
  }
}

function objectCheck(shape: Readonly<Record<string, z.core.$ZodType>>): QuickCheck {
  const fields = Object.entries(shape).map(([key, schema]) => ({ key, holds: quickCheck(schema) }));
  return (value) => {
    if (!isPlain(value)) return false;
    let known = 0;
    for (let i = 0; i < fields.length; i++) {
      const { key, holds } = fields[i]!;
      const present = Object.hasOwn(value, key);
      if (present) known++;
      if (!holds(present ? value[key] : undefined)) return false;
    }
    // Counted, not listed: a list for each object would be most of what a check leaves behind.
    for (const _ in value) known--;
    return known === 0;
  };
}

function arrayCheck(holds: QuickCheck): QuickCheck {
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!holds(value[i])) return false;
    return true;
  };
}

function recordCheck(holdsKey: QuickCheck, holdsValue: QuickCheck): QuickCheck {
  return (value) => {
    if (!isPlain(value)) return false;
    for (const key in value) if (key === '__proto__' || !holdsKey(key) || !holdsValue(value[key])) return false;
    return true;
  };
}

const optionalCheck =
  (holds: QuickCheck): QuickCheck =>
  (value) =>
    value === undefined || holds(value);
const unionCheck =
  (options: readonly QuickCheck[]): QuickCheck =>
  (value) =>
    options.some((holds) => holds(value));
const enumCheck = (entries: readonly (string | number)[]): QuickCheck => {
  const known = new Set<unknown>(entries);
  return (value) => known.has(value);
};

function numberCheck(def: z.core.$ZodNumberDef & { format?: string }): QuickCheck {
  if (def.coerce) return unsure;
  if (def.format === undefined) return (value) => Number.isFinite(value);
  return def.format === 'safeint' ? (value) => Number.isSafeInteger(value) : unsure;
}

/** Most of what comes are counts: one function for each, instead of one for each of its conditions. */
function wholeNumberCheck(
  def: z.core.$ZodNumberDef & { format?: string },
  checks: readonly Checks['_zod']['def'][],
): QuickCheck | undefined {
  if (def.coerce || def.format !== 'safeint') return undefined;
  let [least, most] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  for (const check of checks) {
    if (isCustom(check)) return undefined;
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check
    switch (check.check) {
      case 'greater_than':
        least = Math.max(least, check.inclusive ? Number(check.value) : Math.floor(Number(check.value)) + 1);
        break;
      case 'less_than':
        most = Math.min(most, check.inclusive ? Number(check.value) : Math.ceil(Number(check.value)) - 1);
        break;
      default:
        return undefined;
    }
  }
  return (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function stringCheck(def: z.core.$ZodStringDef & { format?: string; pattern?: RegExp | undefined }): QuickCheck {
  if (def.coerce) return unsure;
  if (def.format === undefined) return (value) => typeof value === 'string';
  // Formats that are more than their pattern (a URL, say) have none here, or change what they are given.
  if (def.format !== 'uuid' || !isStateless(def.pattern)) return unsure;
  const { pattern } = def;
  return (value) => typeof value === 'string' && pattern.test(value);
}

function checkOf(def: Checks['_zod']['def']): QuickCheck {
  if (isCustom(def)) return refinement(def);
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (def.check) {
    case 'greater_than': {
      const { value: limit, inclusive } = def;
      return (value) => (inclusive ? (value as number) >= Number(limit) : (value as number) > Number(limit));
    }
    case 'less_than': {
      const { value: limit, inclusive } = def;
      return (value) => (inclusive ? (value as number) <= Number(limit) : (value as number) < Number(limit));
    }
    case 'max_length':
      return (value) => (value as string).length <= def.maximum;
    case 'min_length':
      return (value) => (value as string).length >= def.minimum;
    case 'length_equals':
      return (value) => (value as string).length === def.length;
    case 'string_format':
      return patternCheck(def);
    default:
      return unsure;
  }
}

function patternCheck({ format, pattern }: z.core.$ZodCheckStringFormatDef): QuickCheck {
  return format === 'regex' && isStateless(pattern) ? (value) => pattern.test(value as string) : unsure;
}

/** What `refine` was given; `superRefine` has no such function. */
function refinement(def: z.core.$ZodCheckDef): QuickCheck {
  const fn = def.when === undefined && 'fn' in def ? (def.fn as ((value: unknown) => unknown) | undefined) : undefined;
  return fn ? (value) => fn(value) === true : unsure;
}

/** The union of checks leaves it out. */
const isCustom = (def: z.core.$ZodCheckDef) => def.check === 'custom';
const isStateless = (pattern: RegExp | undefined): pattern is RegExp =>
  pattern !== undefined && !pattern.global && !pattern.sticky;
const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

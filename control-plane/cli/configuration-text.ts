import type { ConfigurationChange, ConfigurationView, DeviceConfigurationView, WrittenPipeline } from '@flotilla/protocol';
import { stringify } from 'yaml';
import { facts, table } from './output.js';

type Slots = Readonly<Record<string, WrittenPipeline>>;
export const ownerOf = ({ scope, name }: Pick<ConfigurationView, 'scope' | 'name'>) => `${scope}/${name}`;

export function describeConfiguration(configuration: ConfigurationView): string {
  const { version, priority, comment, actor, at, slots } = configuration;
  const about = facts({
    configuration: ownerOf(configuration),
    version,
    priority: configuration.scope === 'group' ? priority : undefined,
    comment,
    by: actor,
    at,
  });
  return slots === undefined ? `${about}\n\ndeleted with this version` : `${about}\n\n${yaml({ slots })}`;
}

export function describeChange({ configuration, changed, devices, notes }: ConfigurationChange): string {
  const what = `${ownerOf(configuration)} version ${configuration.version}`;
  const sent = `${devices} ${devices === 1 ? 'device is' : 'devices are'} sent it`;
  return [
    changed ? `${what}: ${sent}` : `${what} says the same already: nothing was changed`,
    ...notes.map((n) => `note: ${n}`),
  ].join('\n');
}

/** Section by section what is taken away (-) and what comes (+). */
export function describeDifference(before: Slots, after: Slots): string {
  const [old, fresh] = [sectionsOf(before), sectionsOf(after)];
  const lines = [...new Set([...old.keys(), ...fresh.keys()])].toSorted().flatMap((key) => {
    if (old.get(key) === fresh.get(key)) return [];
    return [...line('-', key, old.get(key)), ...line('+', key, fresh.get(key))];
  });
  return lines.join('\n') || 'no difference';
}

const line = (sign: string, key: string, text: string | undefined) => (text === undefined ? [] : [`${sign} ${key}: ${text}`]);

const sectionsOf = (slots: Slots) =>
  new Map(
    Object.entries(slots).flatMap(([slot, sections]) =>
      Object.entries(sections).map(([section, value]) => [`slots.${slot}.${section}`, ordered(value)] as const),
    ),
  );

/** In one order of keys, whatever the order in which the database gives them. */
const ordered = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** What devices wrote must not steer the terminal: `stringify` escapes control characters. */
const yaml = (value: unknown) => stringify(value).trimEnd();

/** Empty where there is nothing to say. */
export function describeDeviceConfiguration(view: DeviceConfigurationView): string {
  const { state, sections, conflicts, withheld, reported } = view;
  if (state === 'none' && sections.length === 0) return '';
  const epoch = reported && `${state === 'pending' ? 'last answered' : 'since'} epoch ${reported.epoch}`;
  const rows = sections.map(({ slot, section, value, from }) => ({
    slot,
    section,
    from: `${ownerOf(from)} version ${from.version}`,
    'in force from': reported?.slots.find((its) => its.slot === slot)?.from[section],
    value: ordered(value),
  }));
  return [
    facts({ configuration: [state, epoch].filter(Boolean).join(', '), withheld }),
    table(rows, 'nothing is sent to it'),
    ...(reported?.refused ?? []).map(({ slot, reason }) => `refused: ${slot === undefined ? '' : `slot ${slot}: `}${reason}`),
    ...conflicts.map((conflict) => `conflict: ${conflict}`),
  ]
    .map((text) => text.replaceAll(/[^\P{Cc}\n]+/gu, ' '))
    .join('\n');
}

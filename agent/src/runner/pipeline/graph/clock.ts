import type { Family, Labels } from '../../../http/exposition.js';
import type { OpenNetwork } from './network.js';

type Timed = Pick<OpenNetwork, 'name' | 'clock' | 'runs'>;

/** What each network and each of its steps cost. */
export function graphFamilies(networks: readonly Timed[], labels: Labels): Family[] {
  const steps = networks.flatMap(({ name, clock }) => clock.families({ ...labels, network: name }));
  const samples = networks.flatMap(({ name, runs: { count, sumMs } }) => [
    { suffix: '_sum' as const, labels: { ...labels, network: name }, value: sumMs / 1000 },
    { suffix: '_count' as const, labels: { ...labels, network: name }, value: count },
  ]);
  const help = 'What each network of the release took, its steps left out; one picture may run it several times, or not at all.';
  const [first] = steps;
  return [
    ...(first ? [{ ...first, samples: steps.flatMap((family) => family.samples) }] : []),
    { name: 'flotilla_network_compute_seconds', type: 'summary', help, samples },
  ];
}

import { type Feature, type Features, columnsOf } from '@flotilla/protocol/device';
import { type FeatureValues, type Preprocess, expectStage } from '../stages.js';

type NumberFeature = Exclude<Feature, { 'one-hot': unknown }>;
type CategoryFeature = Extract<Feature, { 'one-hot': unknown }>;

/** Named numbers and categories to one row, in the order in which the release lists them. */
export function openFeatures(features: Features): Preprocess {
  const columns = features.reduce((sum, feature) => sum + columnsOf(feature), 0);
  const names = new Set(features.map(({ name }) => name));
  return (stage) => {
    const { values } = expectStage(stage, 'features');
    const stranger = Object.keys(values).find((name) => !names.has(name));
    if (stranger !== undefined) throw new Error(`there is no feature "${stranger}"; there are ${[...names].join(', ')}`);
    return { kind: 'tensor', type: 'FP32', shape: [1, columns], data: rowOf(features, values, columns) };
  };
}

function rowOf(features: Features, values: FeatureValues, columns: number): Float32Array<ArrayBuffer> {
  const row = new Float32Array(columns);
  let at = 0;
  for (const feature of features) {
    const value = values[feature.name] ?? undefined;
    if ('one-hot' in feature) {
      const place = categoryOf(feature, value);
      if (place >= 0) row[at + place] = 1;
    } else row[at] = scaled(feature, value);
    at += columnsOf(feature);
  }
  return row;
}

function scaled({ name, scale, missing }: NumberFeature, value: unknown): number {
  const raw = value ?? (missing === 'refuse' ? undefined : missing);
  if (raw === undefined) throw new Error(`the feature "${name}" is missing`);
  if (typeof raw !== 'number' || !Number.isFinite(raw))
    throw new Error(`the feature "${name}" is ${shown(raw)}, expected a number`);
  if (!scale) return raw;
  return 'std' in scale ? (raw - scale.mean) / scale.std : (raw - scale.min) / (scale.max - scale.min);
}

/** Place of the category; −1 for none at all. */
function categoryOf({ name, 'one-hot': categories, missing, unknown }: CategoryFeature, value: unknown): number {
  if (value === undefined) {
    if (missing === 'zeros') return -1;
    throw new Error(`the feature "${name}" is missing`);
  }
  const place = categories.indexOf(typeof value === 'string' ? value : shown(value));
  if (place < 0 && unknown === 'refuse')
    throw new Error(`the feature "${name}" is ${shown(value)}, expected one of ${categories.join(', ')}`);
  return place;
}

const shown = (value: unknown) => JSON.stringify(value).slice(0, 60);

/** Units as OPC UA names them: a code of UN/ECE Recommendation 20, by the symbols that releases write. */
const codes: Record<string, [code: string, symbol: string, name: string]> = {
  mm: ['MMT', 'mm', 'millimetre'],
  cm: ['CMT', 'cm', 'centimetre'],
  m: ['MTR', 'm', 'metre'],
  um: ['4H', 'µm', 'micrometre'],
  mm2: ['MMK', 'mm²', 'square millimetre'],
  cm2: ['CMK', 'cm²', 'square centimetre'],
  m2: ['MTK', 'm²', 'square metre'],
  ml: ['MLT', 'ml', 'millilitre'],
  l: ['LTR', 'l', 'litre'],
  m3: ['MTQ', 'm³', 'cubic metre'],
  g: ['GRM', 'g', 'gram'],
  kg: ['KGM', 'kg', 'kilogram'],
  t: ['TNE', 't', 'tonne'],
  N: ['NEW', 'N', 'newton'],
  kN: ['B47', 'kN', 'kilonewton'],
  'N.m': ['NU', 'N·m', 'newton metre'],
  Pa: ['PAL', 'Pa', 'pascal'],
  kPa: ['KPA', 'kPa', 'kilopascal'],
  MPa: ['MPA', 'MPa', 'megapascal'],
  bar: ['BAR', 'bar', 'bar'],
  Cel: ['CEL', '°C', 'degree Celsius'],
  K: ['KEL', 'K', 'kelvin'],
  '%': ['P1', '%', 'percent'],
  s: ['SEC', 's', 'second'],
  ms: ['C26', 'ms', 'millisecond'],
  min: ['MIN', 'min', 'minute'],
  h: ['HUR', 'h', 'hour'],
  Hz: ['HTZ', 'Hz', 'hertz'],
  'm/s': ['MTS', 'm/s', 'metre per second'],
  'mm/s': ['C16', 'mm/s', 'millimetre per second'],
  'm/s2': ['MSK', 'm/s²', 'metre per second squared'],
  rpm: ['RPM', 'r/min', 'revolutions per minute'],
  deg: ['DD', '°', 'degree (unit of angle)'],
  rad: ['C81', 'rad', 'radian'],
  V: ['VLT', 'V', 'volt'],
  A: ['AMP', 'A', 'ampere'],
  W: ['WTT', 'W', 'watt'],
  kW: ['KWT', 'kW', 'kilowatt'],
  'kW.h': ['KWH', 'kW·h', 'kilowatt hour'],
  dB: ['2N', 'dB', 'decibel'],
};
const spellings: Record<string, string> = {
  µm: 'um',
  μm: 'um',
  'mm²': 'mm2',
  'cm²': 'cm2',
  'm²': 'm2',
  'm³': 'm3',
  L: 'l',
  mL: 'ml',
  '°C': 'Cel',
  degC: 'Cel',
  C: 'Cel',
  Nm: 'N.m',
  'm/s²': 'm/s2',
  'r/min': 'rpm',
  '1/min': 'rpm',
  '°': 'deg',
  percent: '%',
  kWh: 'kW.h',
};

const unitNamespace = 'http://www.opcfoundation.org/UA/units/un/cefact';
export type EngineeringUnits = { namespaceUri: string; unitId: number; displayName: string; description: string };

/** Undefined where there is no code for it. */
export function engineeringUnitsOf(unit: string | undefined): EngineeringUnits | undefined {
  if (unit === undefined) return undefined;
  const symbol = Object.hasOwn(spellings, unit) ? spellings[unit]! : unit;
  const known = Object.hasOwn(codes, symbol) ? codes[symbol] : undefined;
  if (!known) return undefined;
  const [code, displayName, description] = known;
  return { namespaceUri: unitNamespace, unitId: unitIdOf(code), displayName, description };
}

/** OPC UA Part 8, 5.6.3: the code's ASCII characters as one number. */
const unitIdOf = (code: string): number => Buffer.from(code, 'ascii').reduce((id, byte) => id * 256 + byte, 0);

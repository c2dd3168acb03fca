type MelBank = {
  mels: number;
  fftSize: number;
  rate: number;
  fmin: number;
  fmax: number;
  formula: 'slaney' | 'htk';
  norm: 'slaney' | 'none';
};
/** A triangle over neighbouring bins: its first bin, and the weights from there on. */
type Filter = { first: number; weights: Float64Array };

/** As librosa.filters.mel. */
export function melFilters({ mels, fftSize, rate, fmin, fmax, formula, norm }: MelBank): Filter[] {
  const { toMel, toHz } = formulas[formula];
  const [low, high] = [toMel(fmin), toMel(fmax)];
  const edges = Array.from({ length: mels + 2 }, (_, i) => toHz(low + ((high - low) * i) / (mels + 1)));
  const bins = Array.from({ length: Math.floor(fftSize / 2) + 1 }, (_, bin) => (bin * rate) / fftSize);
  return Array.from({ length: mels }, (_, i) => {
    const [left, middle, right] = [edges[i]!, edges[i + 1]!, edges[i + 2]!];
    const height = norm === 'slaney' ? 2 / (right - left) : 1;
    const shares = bins.map(
      (hz) => height * Math.max(0, Math.min((hz - left) / (middle - left), (right - hz) / (right - middle))),
    );
    const first = Math.max(
      0,
      shares.findIndex((share) => share > 0),
    );
    return { first, weights: Float64Array.from(shares.slice(first, shares.findLastIndex((share) => share > 0) + 1)) };
  });
}

// Slaney's is even up to 1000 Hz, and goes on in steps of a 27th of ln 6.4.
const [linearStep, linearEnd, logStep] = [200 / 3, 1000, Math.log(6.4) / 27];
const formulas = {
  slaney: {
    toMel: (hz: number) => (hz < linearEnd ? hz / linearStep : linearEnd / linearStep + Math.log(hz / linearEnd) / logStep),
    toHz: (mel: number) =>
      mel < linearEnd / linearStep ? mel * linearStep : linearEnd * Math.exp(logStep * (mel - linearEnd / linearStep)),
  },
  htk: {
    toMel: (hz: number) => 2595 * Math.log10(1 + hz / 700),
    toHz: (mel: number) => 700 * (10 ** (mel / 2595) - 1),
  },
} as const;

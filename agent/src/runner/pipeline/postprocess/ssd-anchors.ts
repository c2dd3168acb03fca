import type { SsdAnchors } from '@flotilla/protocol/device';

/** Centre and size of each, in parts of the input's width and height: x, y, width, height. */
export function ssdAnchors(options: SsdAnchors): Float32Array {
  const { strides, inputSizeWidth, inputSizeHeight, anchorOffsetX, anchorOffsetY, fixedAnchorSize } = options;
  const anchors: number[] = [];
  for (let layer = 0; layer < strides.length;) {
    const stride = strides[layer]!;
    const sizes: [number, number][] = [];
    // Layers of one stride share their grid: their anchors lie one after the other in each cell.
    for (; layer < strides.length && strides[layer] === stride; layer++) sizes.push(...sizesOf(options, layer));
    const [across, down] = [Math.ceil(inputSizeWidth / stride), Math.ceil(inputSizeHeight / stride)];
    for (let y = 0; y < down; y++)
      for (let x = 0; x < across; x++)
        for (const [width, height] of sizes) {
          const size = fixedAnchorSize ? [1, 1] : [width, height];
          anchors.push((x + anchorOffsetX) / across, (y + anchorOffsetY) / down, ...size);
        }
  }
  return Float32Array.from(anchors);
}

function sizesOf(options: SsdAnchors, layer: number): [number, number][] {
  const { aspectRatios, reduceBoxesInLowestLayer, interpolatedScaleAspectRatio } = options;
  const scale = scaleOf(options, layer);
  if (layer === 0 && reduceBoxesInLowestLayer) return [sized(0.1, 1), sized(scale, 2), sized(scale, 0.5)];
  const sizes = aspectRatios.map((ratio) => sized(scale, ratio));
  if (interpolatedScaleAspectRatio > 0) {
    const next = layer === options.strides.length - 1 ? 1 : scaleOf(options, layer + 1);
    sizes.push(sized(Math.sqrt(scale * next), interpolatedScaleAspectRatio));
  }
  return sizes;
}

const sized = (scale: number, ratio: number): [number, number] => [scale * Math.sqrt(ratio), scale / Math.sqrt(ratio)];

const scaleOf = ({ minScale, maxScale, strides }: SsdAnchors, layer: number) =>
  strides.length === 1 ? (minScale + maxScale) / 2 : minScale + ((maxScale - minScale) * layer) / (strides.length - 1);

const bytesOfPairs = 0x00ff00ff;
/** Of 255 each, as many fit into 16 bits. */
const mostRows = 257;

/** Sums of bytes that lie `stride` apart, `rows` of them for each sum. Four bytes at a time where they are aligned. */
export function columnSums(data: Uint8Array, start: number, stride: number, rows: number, sums: Int32Array): void {
  const aligned = (data.byteOffset + start) % 4 === 0 && stride % 4 === 0 && rows <= mostRows;
  const whole = aligned ? sums.length - (sums.length % 4) : 0;
  if (whole > 0)
    inFours(
      new Uint32Array(data.buffer, data.byteOffset + start, lastOf(stride, rows, whole) / 4),
      stride / 4,
      rows,
      sums,
      whole,
    );
  for (let i = whole; i < sums.length; i++) {
    let sum = 0;
    for (let row = 0, at = start + i; row < rows; row++, at += stride) sum += data[at]!;
    sums[i] = sum;
  }
}

const lastOf = (stride: number, rows: number, whole: number) => (rows - 1) * stride + whole;

/** First and third, second and fourth byte are summed in the halves of two numbers. Little-endian, as every machine that Node runs on but one. */
function inFours(words: Uint32Array, stride: number, rows: number, sums: Int32Array, whole: number): void {
  for (let i = 0, word = 0; i < whole; i += 4, word++) {
    let [odd, even] = [0, 0];
    for (let row = 0, at = word; row < rows; row++, at += stride) {
      const four = words[at]!;
      odd = (odd + (four & bytesOfPairs)) | 0;
      even = (even + ((four >>> 8) & bytesOfPairs)) | 0;
    }
    sums[i] = odd & 0xffff;
    sums[i + 1] = even & 0xffff;
    sums[i + 2] = odd >>> 16;
    sums[i + 3] = even >>> 16;
  }
}

// What the network gets to see of a picture, as rotnet.inference.views has it.

const BAND = 4_000_000; // pixels that are read at a time

// Python's round: halves go to the even number.
const rounded = (value) => {
  const below = Math.floor(value), rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
};

// Which window amid a picture is looked at, and the size it is scaled to: `strip_view`.
export function stripOf(width, height, size, longest) {
  const side = Math.min(width, height);
  const scaled = (length) => Math.min(longest * size, Math.floor((length * size) / side));
  const window = (length) => Math.min(length, rounded((scaled(length) * side) / size));
  const [w, h] = [window(width), window(height)];
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), w, h, width: scaled(width), height: scaled(height) };
}

// The strip of an ImageBitmap: { data: RGB bytes, width, height }.
export function readStrip(bitmap, size, longest) {
  const strip = stripOf(bitmap.width, bitmap.height, size, longest), { width, height } = strip;
  const data = Math.min(bitmap.width, bitmap.height) > size ? shrunk(bitmap, strip) : grown(bitmap, strip);
  return { data, width, height };
}

// A function that reads rows of a window of a picture, as RGBA bytes.
function reader(bitmap, { left, top, w }, rows) {
  const context = new OffscreenCanvas(w, rows).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("There is not enough memory for this picture.");
  return (first, count) => {
    context.fillStyle = "white"; // what shines through
    context.fillRect(0, 0, w, count);
    context.drawImage(bitmap, left, top + first, w, count, 0, 0, w, count);
    return context.getImageData(0, 0, w, count).data;
  };
}

// Averaged by area, as cv2.INTER_AREA does. A large picture is read in bands, so that memory holds it once.
function shrunk(bitmap, strip) {
  const { w, h, width, height } = strip, rows = Math.max(1, Math.min(h, Math.floor(BAND / w)));
  const read = reader(bitmap, strip, rows), across = shares(w, width), down = Array.from({ length: h }, () => []);
  shares(h, height).forEach(({ first, weights }, row) => weights.forEach((weight, k) => down[first + k].push([row, weight])));
  const sums = new Float32Array(height * width * 3), line = new Float32Array(width * 3);
  for (let first = 0; first < h; first += rows) {
    const count = Math.min(rows, h - first), pixels = read(first, count);
    for (let row = 0; row < count; row++) {
      shrinkRow(pixels, row * w * 4, across, line);
      for (const [to, weight] of down[first + row])
        for (let at = to * width * 3, x = 0; x < line.length; x++) sums[at + x] += weight * line[x];
    }
  }
  return new Uint8ClampedArray(sums); // rounds halves to even, as OpenCV does
}

function shrinkRow(pixels, start, across, line) {
  let at = 0;
  for (const { first, weights } of across) {
    let red = 0, green = 0, blue = 0;
    for (let k = 0, from = start + 4 * first; k < weights.length; k++, from += 4) {
      red += weights[k] * pixels[from];
      green += weights[k] * pixels[from + 1];
      blue += weights[k] * pixels[from + 2];
    }
    line[at++] = red;
    line[at++] = green;
    line[at++] = blue;
  }
}

// For each of `to` pixels, which of `from` it averages: the first, and the weights of it and those that follow.
function shares(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, x) => {
    const low = x * scale, high = Math.min(from, low + scale);
    const first = Math.floor(low + 1e-3), last = Math.min(from, Math.ceil(high - 1e-3)) - 1; // no slivers, as OpenCV
    const parts = Array.from({ length: last - first + 1 }, (_, k) => Math.min(first + k + 1, high) - Math.max(first + k, low));
    const sum = parts.reduce((a, b) => a + b);
    return { first, weights: parts.map((part) => part / sum) };
  });
}

// Interpolated, in the whole numbers of cv2.INTER_LINEAR: a network of 8 bits hears a difference of one level.
function grown(bitmap, strip) {
  const { w, h, width, height } = strip, pixels = reader(bitmap, strip, h)(0, h);
  const across = between(w, width), down = between(h, height), data = new Uint8ClampedArray(width * height * 3);
  const mixed = (row, [left, right, leftShare, rightShare], channel) =>
    (pixels[4 * (row * w + left) + channel] * leftShare + pixels[4 * (row * w + right) + channel] * rightShare) >> 4;
  let at = 0;
  for (const [above, below, aboveShare, belowShare] of down)
    for (const columns of across)
      for (let channel = 0; channel < 3; channel++) {
        const upper = (aboveShare * mixed(above, columns, channel)) >> 16, lower = (belowShare * mixed(below, columns, channel)) >> 16;
        data[at++] = (upper + lower + 2) >> 2;
      }
  return data;
}

// For each of `to` pixels, the two of `from` between which it lies, and the shares of these in 2048ths.
function between(from, to) {
  const within = (x) => Math.min(from - 1, Math.max(0, x));
  return Array.from({ length: to }, (_, x) => {
    const middle = (x + 0.5) * (from / to) - 0.5, first = Math.floor(middle), rest = middle - first;
    return [within(first), within(first + 1), rounded((1 - rest) * 2048), rounded(rest * 2048)];
  });
}

// The four views as one batch of float32 (4, size, size, 3): quarter turns of the two ends of a strip, alternately.
export function turnedViews({ data, width, height }, size) {
  const batch = new Float32Array(4 * size * size * 3);
  for (let turn = 0, at = 0; turn < 4; turn++) {
    const [left, top] = turn % 2 ? [width - size, height - size] : [0, 0], last = size - 1;
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        // where the pixel was before it was turned counter-clockwise
        const [row, column] = [[y, x], [x, last - y], [last - y, last - x], [last - x, y]][turn];
        const from = 3 * ((top + row) * width + left + column);
        for (let channel = 0; channel < 3; channel++) batch[at++] = data[from + channel];
      }
  }
  return batch;
}

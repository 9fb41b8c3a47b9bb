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

// The strip of an ImageBitmap: { data: RGB bytes, width, height }. A large picture is read in bands, so that memory holds
// it once.
export function readStrip(bitmap, size, longest) {
  const { left, top, w, h, width, height } = stripOf(bitmap.width, bitmap.height, size, longest);
  const rows = Math.max(1, Math.min(h, Math.floor(BAND / w)));
  const context = new OffscreenCanvas(w, rows).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("There is not enough memory for this picture.");
  const read = (first, count) => {
    context.fillStyle = "white"; // what shines through
    context.fillRect(0, 0, w, count);
    context.drawImage(bitmap, left, top + first, w, count, 0, 0, w, count);
    return context.getImageData(0, 0, w, count).data;
  };
  const across = weights(w, width), down = weights(h, height);
  const sums = new Float32Array(height * width * 3), line = new Float32Array(width * 3);
  for (let first = 0; first < h; first += rows) {
    const count = Math.min(rows, h - first), pixels = read(first, count);
    for (let row = 0; row < count; row++) {
      scaleRow(pixels, row * w * 4, across, line);
      for (const [to, share] of down.targets[first + row])
        for (let at = to * width * 3, x = 0; x < line.length; x++) sums[at + x] += share * line[x];
    }
  }
  // rounds half to even, as OpenCV does, and keeps to 0..255
  return { data: new Uint8ClampedArray(sums), width, height };
}

function scaleRow(pixels, start, { sources }, line) {
  for (let x = 0, at = 0; x < sources.length; x++) {
    const { first, shares } = sources[x];
    let red = 0, green = 0, blue = 0;
    for (let k = 0, from = start + 4 * first; k < shares.length; k++, from += 4) {
      red += shares[k] * pixels[from];
      green += shares[k] * pixels[from + 1];
      blue += shares[k] * pixels[from + 2];
    }
    line[at++] = red;
    line[at++] = green;
    line[at++] = blue;
  }
}

// How `from` pixels make `to` pixels: for each of these, the first source and the shares of it and those that follow
// (`sources`), and the same for each of those (`targets`). What shrinks is averaged by area, as cv2.INTER_AREA does; what
// grows is interpolated, as by cv2.INTER_LINEAR.
export function weights(from, to) {
  const scale = from / to, sources = [], targets = Array.from({ length: from }, () => []);
  for (let x = 0; x < to; x++) {
    let first, shares;
    if (scale > 1) {
      const low = x * scale, high = Math.min(from, low + scale);
      first = Math.floor(low + 1e-3); // OpenCV leaves out slivers too
      const last = Math.min(from - 1, Math.ceil(high - 1e-3) - 1);
      shares = Array.from({ length: last - first + 1 }, (_, k) => Math.min(first + k + 1, high) - Math.max(first + k, low));
      const sum = shares.reduce((a, b) => a + b);
      shares = shares.map((share) => share / sum);
    } else {
      const middle = Math.max(0, (x + 0.5) * scale - 0.5);
      first = Math.min(from - 1, Math.floor(middle));
      const rest = first + 1 < from ? middle - first : 0;
      shares = rest ? [1 - rest, rest] : [1];
    }
    sources.push({ first, shares });
    shares.forEach((share, k) => targets[first + k].push([x, share]));
  }
  return { sources, targets };
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

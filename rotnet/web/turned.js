// A picture turned about the middle of a frame, and what fills the frame's corners.

// Draw an image of a size, turned clockwise by an angle, into a frame around the origin of a context. The fill is
// "mirror", "blur" or a colour; null leaves the corners clear.
export function drawTurned(context, image, [width, height], [w, h], angle, fill) {
  const here = context.getTransform(), { canvas } = context;
  const scale = Math.hypot(here.a, here.b), one = 1 / scale; // a pixel of the canvas
  context.save();
  context.beginPath();
  context.rect(-w / 2 - one, -h / 2 - one, w + 2 * one, h + 2 * one);
  context.clip();
  if (fill && fill !== "mirror" && fill !== "blur") {
    context.fillStyle = fill;
    context.fillRect(-w / 2 - one, -h / 2 - one, w + 2 * one, h + 2 * one);
  }
  const turn = matrixOf(angle);
  if (fill === "mirror" || fill === "blur") {
    context.save();
    context.transform(...turn);
    const [cos, sin] = turn.map(Math.abs);
    // so many mirrored pictures reach into the corners of the frame
    const across = Math.ceil((w * cos + h * sin) / width / 2 - 0.5), along = Math.ceil((w * sin + h * cos) / height / 2 - 0.5);
    for (let down = -along; down <= along; down++)
      for (let right = -across; right <= across; right++) {
        context.save();
        context.translate(right * width, down * height);
        context.scale(right % 2 ? -1 : 1, down % 2 ? -1 : 1);
        context.drawImage(image, -width / 2, -height / 2, width, height);
        context.restore();
      }
    context.restore();
  }
  if (fill === "blur") {
    const sharp = edged(canvas, context, turn, width, height);
    context.save();
    context.resetTransform();
    context.filter = `blur(${(Math.max(w, h) * scale) / 16}px)`;
    context.drawImage(canvas, 0, 0);
    context.filter = "none";
    context.drawImage(sharp, 0, 0);
    context.restore();
  }
  context.transform(...turn);
  context.drawImage(image, -width / 2, -height / 2, width, height);
  context.restore();
}

// What is on a canvas within and around a picture, fading away with the distance from it, so that no seam is seen.
function edged(canvas, context, turn, width, height) {
  const layer = new OffscreenCanvas(canvas.width, canvas.height), mask = layer.getContext("2d");
  const here = context.getTransform(), band = 0.06 * Math.min(width, height); // as rotnet.geometry.filling has it
  mask.drawImage(canvas, 0, 0);
  mask.globalCompositeOperation = "destination-in";
  mask.filter = `blur(${(band / 4) * Math.hypot(here.a, here.b)}px)`;
  mask.setTransform(here);
  mask.transform(...turn);
  mask.fillRect(-width / 2 - band / 2, -height / 2 - band / 2, width + band, height + band);
  return layer;
}

// exactly for a quarter turn, of which the sine is not
function matrixOf(angle) {
  const radians = (angle * Math.PI) / 180, quarter = (((angle / 90) % 4) + 4) % 4;
  const [sin, cos] = angle % 90 ? [Math.sin(radians), Math.cos(radians)] : [[0, 1], [1, 0], [0, -1], [-1, 0]][quarter];
  return [cos, sin, -sin, cos, 0, 0];
}

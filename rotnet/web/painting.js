// A picture on a canvas, as it will be.

import { frame } from "./frame.js";
import { drawTurned } from "./turned.js";

// Draw an image turned clockwise by an angle and cropped, as large as a box of CSS pixels allows.
export function paint(canvas, box, image, angle, crop, fill = "black") {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const { naturalWidth: width, naturalHeight: height } = image, framed = frame(width, height, angle, crop);
  const scale = Math.min(canvas.width / framed[0], canvas.height / framed[1]);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  drawTurned(context, image, [width, height], framed, angle, fill);
}

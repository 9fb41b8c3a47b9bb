// A picture on a canvas, as it will be, and the lines in it that told what is level.

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

// Draw lines, x and y of both ends in shares of width and height, over what `paint` has drawn, asked for the same.
export function paintLines(canvas, image, angle, crop, lines) {
  const context = canvas.getContext("2d"), { naturalWidth: width, naturalHeight: height } = image, path = new Path2D();
  for (const [x0, y0, x1, y1] of lines) {
    path.moveTo((x0 - 0.5) * width, (y0 - 0.5) * height);
    path.lineTo((x1 - 0.5) * width, (y1 - 0.5) * height);
  }
  const [w, h] = frame(width, height, angle, crop);
  context.save();
  context.beginPath();
  context.rect(-w / 2, -h / 2, w, h);
  context.clip();
  context.rotate((angle * Math.PI) / 180);
  const one = (window.devicePixelRatio || 1) / Math.hypot(context.getTransform().a, context.getTransform().b);
  for (const [colour, pixels] of [["#000a", 4], ["#ffd60a", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = pixels * one;
    context.stroke(path);
  }
  context.restore();
}

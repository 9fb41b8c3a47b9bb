// A picture on a canvas, as it will be.

import { frame } from "./frame.js";

// Draw an image turned clockwise by an angle and cropped, as large as a box of CSS pixels allows.
export function paint(canvas, box, image, angle, crop) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const [width, height] = frame(image.naturalWidth, image.naturalHeight, angle, crop);
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.beginPath();
  context.rect(-width / 2, -height / 2, width, height);
  context.clip();
  context.fillStyle = "black";
  context.fill();
  context.rotate((angle * Math.PI) / 180);
  context.drawImage(image, -image.naturalWidth / 2, -image.naturalHeight / 2);
}

import { degrees, signed } from "./angles.js";
import { correct, look, note } from "./answers.js";
import { dial } from "./dial.js";
import { shareLost } from "./frame.js";
import { paint, paintLines } from "./painting.js";
import { zip } from "./zip.js";

const $ = (id) => document.getElementById(id);
const THUMB = { width: 128, height: 84 };
let pictures = []; // { file, element, image, prediction, angle, error }
let current = null;
let queue = Promise.resolve(); // pictures are looked at one after the other

const crop = () => document.querySelector("input[name=crop]:checked").value;
const fill = () => document.querySelector("input[name=fill]:checked").value;
const filter = () => document.querySelector("input[name=filter]:checked")?.value ?? "all";

// Pictures come and go --------------------------------------------------------------------------------------------------

function add(files) {
  const added = [...files].map((file) => {
    const picture = { file };
    picture.element = tile(picture);
    return picture;
  });
  if (!added.length) return;
  pictures.push(...added);
  document.body.classList.add("working");
  if (!current) show(added[0]);
  count();
  for (const picture of added) queue = queue.then(() => load(picture));
}

async function load(picture) {
  if (!pictures.includes(picture)) return; // removed meanwhile
  try {
    const seen = await look(picture.file);
    picture.image = await decoded(URL.createObjectURL(seen.picture));
    picture.prediction = seen.prediction;
    picture.angle = signed(picture.prediction.turn);
  } catch (error) {
    picture.error = error.message;
  }
  if (!pictures.includes(picture)) return forget(picture);
  drawTile(picture);
  count();
  if (picture === current) show(picture);
}

async function decoded(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function forget({ element, image }) {
  element.remove();
  if (image) URL.revokeObjectURL(image.src);
}

function remove(gone) {
  const at = pictures.indexOf(current);
  pictures = pictures.filter((picture) => !gone.includes(picture));
  gone.forEach(forget);
  say("");
  current = null;
  document.body.classList.toggle("working", pictures.length > 0);
  if (pictures.length) {
    show(pictures[Math.min(at, pictures.length - 1)]);
    current.element.querySelector("button").focus();
  } else $("files").focus();
  count();
}

const corrected = (picture) => correct(picture.file, picture.angle, crop(), fill());

// The strip of all pictures --------------------------------------------------------------------------------------------

function tile(picture) {
  const element = document.createElement("li"), { name } = picture.file;
  element.innerHTML =
    '<button type="button"><span class="thumb">…</span><small class="state">looking</small><small class="name"></small></button>';
  element.querySelector(".name").textContent = name;
  element.querySelector("button").title = name;
  element.querySelector("button").onclick = () => show(picture);
  $("strip").append(element);
  return element;
}

function drawTile(picture) {
  const { element, file, image, angle, error } = picture;
  const state = element.querySelector(".state"), thumb = element.querySelector(".thumb");
  state.classList.toggle("bad", Boolean(error));
  state.textContent = angle ? `turned by ${degrees(angle)}` : kind(picture);
  if (error) {
    thumb.textContent = "✕";
  } else if (image) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${file.name} as it will be`);
    paint(canvas, THUMB, image, angle, crop(), fill());
    thumb.replaceChildren(canvas);
  }
}

// What has become of a picture, in a word: what is counted and filtered by.
function kind({ prediction, angle, error }) {
  if (error) return "not read";
  if (!prediction) return "looking";
  if (angle) return "turned";
  return prediction.action === "turned" ? "left as it is" : prediction.action;
}

// How many there are of each kind, as a choice of what the strip shows.
function count() {
  const chosen = filter(), numbers = new Map([["all", pictures.length]]);
  for (const name of pictures.map(kind)) numbers.set(name, (numbers.get(name) ?? 0) + 1);
  const looking = numbers.get("looking") ?? 0, looked = pictures.length - looking;
  numbers.delete("looking");
  $("progress").hidden = !looking;
  $("progress").max = pictures.length;
  $("progress").value = looked;
  $("looked").textContent = looking ? `${looked} of ${pictures.length} looked at` : "";
  const choices = [...numbers].map(([name, number]) => {
    const label = document.createElement("label");
    label.innerHTML = `<input type="radio" name="filter" value="${name}"><span>${name} <b>${number}</b></span>`;
    label.firstChild.checked = name === (numbers.has(chosen) ? chosen : "all");
    label.firstChild.onchange = sift;
    return label;
  });
  const focused = document.activeElement?.name === "filter";
  $("filter").replaceChildren(...choices);
  if (focused) document.querySelector("input[name=filter]:checked").focus();
  sift();
}

function sift() {
  const chosen = filter();
  for (const picture of pictures) picture.element.hidden = chosen !== "all" && kind(picture) !== chosen;
}

// The picture at hand --------------------------------------------------------------------------------------------------

const isUnsure = (prediction) => prediction.action === "unsure" || prediction.action === "slight tilt";

function show(picture) {
  current = picture;
  for (const { element } of pictures)
    element.querySelector("button").setAttribute("aria-current", element === picture.element);
  $("problem").textContent = picture.error ?? "";
  const { prediction } = picture, ready = Boolean(prediction);
  for (const control of document.querySelectorAll("aside :is(button, input):not(#download-all)")) control.disabled = !ready;
  $("name").textContent = picture.file.name;
  $("verdict").textContent = ready ? sentence(prediction.reason) : picture.error ? "Not read" : "Looking at it …";
  $("verdict").classList.toggle("unsure", ready && isUnsure(prediction));
  $("confidence").value = ready ? prediction.confidence : 0;
  $("percent").textContent = ready ? `${Math.round(100 * prediction.confidence)} %` : "";
  if (ready) $("name").textContent += ` · ${prediction.width} × ${prediction.height}`;
  $("lines").parentElement.hidden = !prediction?.lines;
  draw();
}

const sentence = (reason) => reason[0].toUpperCase() + reason.slice(1);

function turn(angle) {
  if (!current?.prediction || !Number.isFinite(angle)) return;
  const before = kind(current);
  current.angle = signed(angle);
  drawTile(current);
  if (kind(current) !== before) count();
  draw();
}

function draw() {
  const { image, prediction, angle = 0 } = current;
  $("slider").value = angle;
  if (document.activeElement !== $("angle")) $("angle").value = angle;
  $("dial").innerHTML = dial(prediction?.probabilities, angle);
  for (const canvas of [$("before"), $("after")]) canvas.width = 0;
  $("lost").textContent = "";
  if (!image) return;
  const box = $("stage").getBoundingClientRect();
  paint($("before"), box, image, 0, "same");
  paint($("after"), box, image, angle, crop(), fill());
  if ($("lines").checked && prediction.lines) {
    paintLines($("before"), image, 0, "same", prediction.lines);
    paintLines($("after"), image, angle, crop(), prediction.lines);
  }
  const lost = Math.round(100 * shareLost(image.naturalWidth, image.naturalHeight, angle, crop()));
  $("lost").textContent = lost ? `${lost} % of the picture is cut off` : "";
}

function turnByPointer(event) {
  if (!event.buttons) return;
  const box = $("dial").getBoundingClientRect();
  const right = event.clientX - box.left - box.width / 2, up = box.top + box.height / 2 - event.clientY;
  turn((Math.atan2(-right, up) * 180) / Math.PI);
}

// Downloads ------------------------------------------------------------------------------------------------------------

const stem = (name) => name.replace(/\.[^.]*$/, "");
const upright = (name) => `${stem(name)}-upright${name.slice(stem(name).length)}`;

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveAll() {
  const entries = [], omitted = [], names = new Set(), asked = [...pictures];
  for (const [index, picture] of asked.entries()) {
    $("download-all").textContent = `Turning ${index + 1} of ${asked.length} …`;
    try {
      if (!picture.prediction) throw new Error(picture.error ?? "it has not been looked at yet");
      const upright = await corrected(picture);
      const bytes = new Uint8Array(await upright.arrayBuffer());
      const given = upright.name;
      let name = given;
      for (let copy = 2; names.has(name.toLowerCase()); copy++) name = `${stem(given)} (${copy})${given.slice(stem(given).length)}`;
      names.add(name.toLowerCase());
      entries.push({ name, bytes });
    } catch (error) {
      omitted.push(`${picture.file.name}: ${error.message}`);
    }
  }
  if (entries.length) save(zip(entries), "upright.zip");
  const head = `${entries.length} of ${asked.length} pictures are in the zip. Left out:`;
  say(omitted.length ? [head, ...omitted].join("\n") : "");
}

async function busy(button, work) {
  const text = button.textContent;
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
  button.textContent = text;
  button.disabled = false;
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

// Wiring ---------------------------------------------------------------------------------------------------------------

$("files").onchange = (event) => {
  add([...event.target.files]);
  event.target.value = "";
};
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
$("compare").oninput = (event) => $("stage").style.setProperty("--cut", `${event.target.value}%`);
$("slider").oninput = (event) => turn(event.target.valueAsNumber);
$("angle").oninput = (event) => turn(event.target.valueAsNumber);
$("angle").onfocus = (event) => event.target.select();
$("angle").onblur = () => current && draw();
$("dial").onpointerdown = (event) => {
  $("dial").setPointerCapture(event.pointerId);
  turnByPointer(event);
};
$("dial").onpointermove = turnByPointer;
for (const button of document.querySelectorAll("[data-turn]"))
  button.onclick = () => turn(current.angle + Number(button.dataset.turn));
$("lines").onchange = draw;
$("predicted").onclick = () => turn(current.prediction.turn || current.prediction.angle);
$("untouched").onclick = () => turn(0);
$("remove").onclick = () => remove([current]);
$("clear").onclick = () => remove(pictures);
for (const choice of document.querySelectorAll("input[name=crop], input[name=fill]"))
  choice.onchange = () => {
    $("corners").hidden = !["keep", "same"].includes(crop());
    draw();
    pictures.forEach(drawTile);
  };
$("download").onclick = (event) =>
  busy(event.target, async () => {
    const file = await corrected(current);
    save(file, upright(file.name));
  });
$("download-all").onclick = (event) => busy(event.target, saveAll);
$("note").textContent = note;
document.body.classList.add("ready");
addEventListener("resize", () => current?.image && draw());

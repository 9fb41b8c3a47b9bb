// The page of `rotnet correct --preview`: a person decides, and saves rows that `rotnet apply` takes.

const $ = (id) => document.getElementById(id), grid = document.querySelector("main");
const cards = [...grid.querySelectorAll("article")], failed = [...grid.querySelectorAll(".failed")];
const LONGEST = 320; // pixels of a turned thumbnail
const decisions = new Map(); // card -> { verdict: "turn" | "leave" | "out", angle }
const done = []; // for undo: of each step, the cards and what had been decided of them
let current = cards[0], action = "all", isSaved = true;

// What is proposed, and what is to be done -----------------------------------------------------------------------------

const rowOf = (card) => JSON.parse(card.dataset.row);
const signed = (angle) => { const rest = ((angle % 360) + 360) % 360; return rest > 180 ? rest - 360 : rest; };
const shown = (angle) => `${signed(angle).toFixed(1)}°`;
const proposed = (card) => {
  const { action, angle } = rowOf(card);
  return { verdict: action === "turned" ? "turn" : "leave", angle };
};
const stateOf = (card) => decisions.get(card) ?? proposed(card);

// The line of a card in the file for `rotnet apply`: the plan's own where nothing was decided, none where it is left out.
function lineOf(card) {
  const made = decisions.get(card), row = rowOf(card);
  if (!made) return card.dataset.row + "\n";
  if (made.verdict === "out") return "";
  const was = proposed(card);
  row.decided = "person";
  if (made.verdict !== was.verdict || (made.verdict === "turn" && made.angle !== was.angle)) {
    delete row.confidence; // the model's, of another verdict
    delete row.lost;
    if (made.verdict === "turn")
      Object.assign(row, { action: "turned", angle: made.angle, reason: `turned by ${shown(made.angle)} by a person` });
    else Object.assign(row, { action: "upright", angle: 0, reason: "left as it is by a person" });
  }
  return JSON.stringify(row) + "\n";
}

function decide(chosen, choose) {
  done.push(chosen.map((card) => [card, decisions.get(card)]));
  for (const card of chosen) decisions.set(card, choose(card));
  changed(chosen);
}

function undo() {
  const step = done.pop();
  if (!step) return;
  for (const [card, before] of step) before ? decisions.set(card, before) : decisions.delete(card);
  changed(step.map(([card]) => card));
  for (const [card] of step) card.hidden = false;
  go(step[0][0]);
}

function changed(chosen) {
  isSaved = decisions.size === 0;
  for (const card of chosen) paint(card);
  tell();
}

// Pictures -------------------------------------------------------------------------------------------------------------

// The crop of a picture, as rotnet.geometry.cropping chooses it.
function cropOf(width, height, angle, { crop, max_loss: most }) {
  if (angle % 90 === 0) return "keep"; // has no corners
  const [w, h] = frame(width, height, angle, crop);
  const isCut = !["keep", "expand", "same"].includes(crop);
  return isCut && 1 - (w * h) / (width * height) > (most ?? 1) ? "keep" : crop;
}

function draw(canvas, image, angle, how, longest) {
  const width = image.naturalWidth, height = image.naturalHeight;
  const [w, h] = frame(width, height, angle, cropOf(width, height, angle, how));
  const scale = Math.min(1, longest / Math.max(w, h)), context = canvas.getContext("2d");
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  if (how.fill === "blur") {
    context.filter = `blur(${Math.max(canvas.width, canvas.height) / 24}px)`;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    context.filter = "none";
  } else if (how.fill !== "mirror") {
    const values = [how.fill].flat();
    context.fillStyle = `rgb(${values.length > 1 ? values.slice(0, 3) : [values[0], values[0], values[0]]})`;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(scale, scale);
  context.rotate((angle * Math.PI) / 180); // clockwise, as the picture is turned counter-clockwise
  const reach = how.fill === "mirror" ? 1 : 0;
  for (let down = -reach; down <= reach; down++)
    for (let right = -reach; right <= reach; right++) {
      context.save();
      context.translate(right * width, down * height);
      context.scale(right ? -1 : 1, down ? -1 : 1);
      context.drawImage(image, -width / 2, -height / 2);
      context.restore();
    }
}

// What a card shows of its decision, where it has controls.
function paint(card) {
  const { verdict, angle } = stateOf(card), isDecided = decisions.has(card);
  card.dataset.verdict = verdict;
  card.toggleAttribute("data-decided", isDecided);
  const canvas = card.querySelector("canvas");
  if (canvas) {
    card.querySelector("input").value = signed(angle).toFixed(1);
    for (const button of card.querySelectorAll("[data-do]"))
      if (["turn", "leave", "out"].includes(button.dataset.do)) button.ariaPressed = verdict === button.dataset.do;
    const image = card.querySelector("img");
    canvas.ariaLabel = `${verdict === "turn" ? "" : "would be "}turned by ${shown(angle)}`;
    image.decode().then(() => draw(canvas, image, angle, rowOf(card).planned, LONGEST), () => {});
  }
  if ($("zoom").open && card === current) zoom();
}

// Controls and turned pictures are there for the cards in view alone, so that ten thousand cards stay light.
const watcher = new IntersectionObserver((seen) => {
  for (const { target: card, isIntersecting } of seen) {
    const controls = card.querySelector(".controls");
    if (isIntersecting && !controls) {
      card.append($("controls").content.cloneNode(true));
      paint(card);
    } else if (!isIntersecting && controls && !card.contains(document.activeElement)) {
      card.querySelector("canvas").remove();
      controls.remove();
    }
  }
}, { rootMargin: "400px" });

function zoom() {
  const box = $("zoom"), [image, canvas] = box.querySelectorAll("img, canvas"), link = box.querySelector("a");
  const card = current, { angle, verdict } = stateOf(card), small = card.querySelector("img");
  const told = { turn: `turned by ${shown(angle)}`, leave: "left as it is", out: "left out" }[verdict];
  const isNew = !box.open || link.getAttribute("href") !== card.dataset.file;
  $("zoomed").textContent = `${card.querySelector("h2").textContent}: ${told}`;
  link.href = card.dataset.file;
  canvas.ariaLabel = `turned by ${shown(angle)}`;
  const show = () => draw(canvas, image, angle, rowOf(card).planned, 1600);
  image.onload = show;
  image.onerror = () => {
    box.querySelector("span").textContent = "It cannot be shown here; this is its thumbnail.";
    image.onerror = null;
    image.src = small.src;
  };
  if (!box.open) box.showModal();
  if (isNew) {
    box.querySelector("span").textContent = "";
    image.src = card.dataset.file;
  } else show();
}

// Which are shown, and which is at hand ---------------------------------------------------------------------------------

const isShown = (card) =>
  (action === "all" || card.classList.contains(action)) &&
  !($("open").checked && decisions.has(card)) &&
  card.dataset.words.includes($("search").value.trim().toLowerCase());

function filter() {
  for (const card of cards) card.hidden = !isShown(card);
  const words = $("search").value.trim().toLowerCase();
  for (const line of failed)
    line.hidden = !["all", "failed"].includes(action) || !line.textContent.toLowerCase().includes(words);
  if (current?.hidden) at(cards.find((card) => !card.hidden) ?? current);
  tell();
}

// The card at hand is the one that the tab key comes to.
function at(card) {
  current?.removeAttribute("tabindex");
  current = card;
  if (card) card.tabIndex = 0;
}

function go(card) {
  if (!card) return;
  at(card);
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
  if ($("zoom").open) zoom();
}

// The card so many shown cards on, or the last one there is.
function from(card, steps) {
  const step = steps < 0 ? "previousElementSibling" : "nextElementSibling";
  for (let left = Math.abs(steps), next = card; left && (next = next[step]); )
    if (next.matches("article") && !next.hidden) [card, left] = [next, left - 1];
  return card;
}

const columns = () => getComputedStyle(grid).gridTemplateColumns.split(" ").length;

// What a person does ----------------------------------------------------------------------------------------------------

const deeds = {
  turn: (card) => ({ verdict: "turn", angle: stateOf(card).angle }),
  leave: (card) => ({ verdict: "leave", angle: stateOf(card).angle }),
  out: (card) => ({ verdict: "out", angle: stateOf(card).angle }),
  accept: proposed,
  left: (card) => ({ verdict: "turn", angle: (stateOf(card).angle + 270) % 360 }),
  right: (card) => ({ verdict: "turn", angle: (stateOf(card).angle + 90) % 360 }),
};

function act(card, name) {
  decide([card], deeds[name]);
  if (!["left", "right"].includes(name)) next(card); // more quarter turns may follow
}

function next(card) {
  go(from(card, 1));
  if (card !== current) card.hidden = !isShown(card);
}

const keys = {
  a: "accept", t: "turn", enter: "turn", l: "leave", x: "out", "[": "left", "]": "right",
};
const ways = {
  arrowright: () => 1, arrowleft: () => -1, j: () => 1, k: () => -1, arrowdown: columns, arrowup: () => -columns(),
};

document.onkeydown = (event) => {
  const key = event.key.toLowerCase(), { target } = event;
  const isTyping = target.matches("input:not([type=checkbox])");
  if (!isTyping && (key === "u" || (key === "z" && (event.ctrlKey || event.metaKey)))) return event.preventDefault(), undo();
  if (event.ctrlKey || event.metaKey || event.altKey || !current || current.hidden) return;
  if (isTyping) {
    const card = target.closest("article");
    if (card && (key === "enter" || key === "escape")) {
      event.preventDefault();
      if (key === "escape") paint(card), card.focus();
      else if (take(card)) next(card);
    }
    return;
  }
  if (key === "enter" && target.matches("button, a, summary, [type=checkbox]")) return;
  if (keys[key]) act(current, keys[key]);
  else if (ways[key]) go(from(current, ways[key]()));
  else if (key === "z") $("zoom").open ? $("zoom").close() : zoom();
  else if (key === "e" && !$("zoom").open) current.querySelector("input")?.select();
  else return;
  event.preventDefault();
};

// Turns by the angle in the field of a card, unless that is no angle. The one at hand, which is shown to a tenth, stays.
function take(card) {
  const field = card.querySelector("input"), typed = field.valueAsNumber;
  const isValid = Number.isFinite(typed) && Math.abs(typed) <= 360;
  if (!isValid) paint(card);
  else if (field.value === signed(stateOf(card).angle).toFixed(1)) decide([card], deeds.turn);
  else decide([card], () => ({ verdict: "turn", angle: ((typed % 360) + 360) % 360 }));
  return isValid;
}

grid.onchange = ({ target }) => {
  const card = target.closest("article");
  if (card && card === current) take(card);
};
grid.onfocusin = ({ target }) => {
  const card = target.closest("article");
  if (card) at(card);
};
grid.onclick = ({ target }) => {
  const card = target.closest("article"), button = target.closest("[data-do]");
  if (!card) return;
  at(card);
  if (button) decide([card], deeds[button.dataset.do]);
  else if (target.matches("img, canvas")) zoom();
  else if (!target.matches("input")) card.focus();
};
$("undo").onclick = undo;
$("accept").onclick = () => {
  const open = cards.filter((card) => !card.hidden && !decisions.has(card));
  if (open.length) decide(open, proposed);
  filter();
};
$("search").oninput = $("open").onchange = filter;
$("zoom").onclick = ({ target }) => target.matches("dialog") && $("zoom").close();
$("zoom").onclose = () => go(current);
$("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(cards.map(lineOf), { type: "application/x-ndjson" }));
  link.download = "decisions.jsonl";
  link.click();
  isSaved = true;
};
window.onbeforeunload = (event) => { if (!isSaved) event.preventDefault(); };

function tell() {
  const counts = { turn: 0, leave: 0, out: 0 };
  for (const card of cards) counts[decisions.get(card)?.verdict ?? (card.classList.contains("turned") ? "turn" : "leave")]++;
  const seen = cards.filter((card) => !card.hidden).length;
  $("told").textContent =
    `${counts.turn} to turn, ${counts.leave} to leave, ${counts.out} left out; ${decisions.size} of ${cards.length} decided by you` +
    (seen < cards.length ? `; ${seen} shown` : "");
  $("undo").disabled = done.length === 0;
}

const names = { all: "all", turned: "turned", upright: "upright", "slight tilt": "slight tilt", unsure: "not sure", failed: "failed" };
const counts = JSON.parse($("counts").textContent);
for (const [name, told] of Object.entries(names)) {
  const count = name === "all" ? cards.length + counts.failed : counts[name];
  if (!count) continue;
  const button = Object.assign(document.createElement("button"), { textContent: `${told} ${count}` });
  button.ariaPressed = name === "all";
  button.onclick = () => {
    action = name.replace(" ", "-");
    for (const other of $("show").children) other.ariaPressed = other === button;
    filter();
  };
  $("show").append(button);
}
for (const card of cards) {
  card.dataset.words = `${card.title} ${card.textContent}`.toLowerCase();
  watcher.observe(card);
}
at(current);
tell();

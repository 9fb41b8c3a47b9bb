// Who answers the page: here the server. The page without a server has a file of this name that asks the browser itself.

export const note = "";

// The picture to show, a blob, and what the model says of it.
export async function look(file) {
  const picture = await (await ask("/preview", file)).blob();
  return { picture, prediction: await (await ask("/predict", file)).json() };
}

// The upright picture as a file, turned clockwise by an angle; its corners are "black", "mirror" or "blur".
export async function correct(file, angle, crop, fill = "black") {
  const upright = await ask(`/correct?angle=${angle}&crop=${crop}&fill=${fill === "black" ? 0 : fill}`, file);
  return new File([await upright.blob()], file.name);
}

async function ask(path, file) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
  } catch {
    throw new Error("The server does not answer. Is `rotnet serve` still running?");
  }
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({ error: `The server answered with status ${answer.status}.` }));
  throw new Error(error);
}

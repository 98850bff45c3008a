// A piano roll: every note a button that plays from its onset; the keys that sound are given while it plays.

const NARROWEST = 25;  // two octaves, so that the roll of one note still shows where it lies
const PIXELS_A_SECOND = 40;
const BLACK = new Set([1, 3, 6, 8, 10]);

function range(notes) {
  const numbers = notes.map(({ midi }) => midi);
  let low = 12 * Math.floor(Math.min(...numbers) / 12), high = 12 * Math.floor(Math.max(...numbers) / 12) + 11;
  if (high - low + 1 < NARROWEST) [low, high] = [low - 12, high + 12];
  return [Math.max(low, 21), Math.min(high, 108)];
}

function rowsOf(low, high) {
  const rows = [];
  for (let midi = high; midi >= low; midi--) {
    const row = document.createElement("span");
    row.className = BLACK.has(midi % 12) ? "roll-row roll-black" : "roll-row";
    if (midi % 12 === 0) {
      row.classList.add("roll-c");
      row.textContent = `C${midi / 12 - 1}`;
    }
    rows.push(row);
  }
  return rows;
}

// Fills `element` with notes; `play` is called with the second at which a note begins.
export function pianoRoll(element, notes, lengthS, play) {
  element.hidden = !notes.length;
  element.replaceChildren();
  if (!notes.length) return;
  const [low, high] = range(notes);
  const sheet = document.createElement("div");
  sheet.className = "roll-sheet";
  sheet.style.minWidth = `${PIXELS_A_SECOND * lengthS}px`;
  sheet.append(...rowsOf(low, high));
  for (const { start_s: start, end_s: end, midi, name, velocity } of notes) {
    const button = document.createElement("button");
    button.type = "button";
    button.style.left = `${(100 * start) / lengthS}%`;
    button.style.width = `${(100 * (end - start)) / lengthS}%`;
    button.style.top = `${(100 * (high - midi)) / (high - low + 1)}%`;
    button.style.height = `${100 / (high - low + 1)}%`;
    button.style.opacity = 0.35 + (0.65 * velocity) / 127;
    button.title = `${name}, ${start.toFixed(2)} to ${end.toFixed(2)} seconds, velocity ${velocity}`;
    button.setAttribute("aria-label", `Play ${button.title}`);
    button.onclick = () => play(start);
    sheet.append(button);
  }
  element.append(sheet);
}

export function soundingAt(notes, second) {
  return notes.filter(({ start_s: start, end_s: end }) => start <= second && second < end);
}

// Painting: waveform, spectrogram, keyboard, printed symbols.

const SVG = "http://www.w3.org/2000/svg";

function inkColour(canvas) {
  return getComputedStyle(canvas).color;
}

export function waveform(canvas, samples) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  context.fillStyle = inkColour(canvas);
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    let low = 0, high = 0;
    for (let i = from; i < to; i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    context.fillRect(x, (height / 2) * (1 - high), 1, Math.max(1, (height / 2) * (high - low)));
  }
}

// In-place radix-2 Fourier transform of real and imaginary parts.
function transform(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let k = 0; k < size / 2; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const c = Math.cos(angle), s = Math.sin(angle);
      for (let a = k; a < n; a += size) {
        const b = a + size / 2;
        const x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x; im[b] = im[a] - y;
        re[a] += x; im[a] += y;
      }
    }
  }
}

// dB over time and frequency; rows go from 40 Hz to half the rate in octaves, as music does.
export function spectrogram(canvas, samples, rateHz) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const n = 2048;
  const image = context.createImageData(width, height);
  const columns = Math.min(width, 600);
  const window = Float32Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
  const bins = Array.from({ length: height }, (_, y) => {
    const hz = 40 * Math.pow(rateHz / 2 / 40, 1 - y / height);
    return Math.min(n / 2 - 1, Math.round((hz * n) / rateHz));
  });
  const levels = [];
  let loudest = -Infinity;
  for (let column = 0; column < columns; column++) {
    const centre = Math.floor(((column + 0.5) * samples.length) / columns);
    const re = new Float32Array(n), im = new Float32Array(n);
    for (let i = 0; i < n; i++) re[i] = (samples[centre - n / 2 + i] ?? 0) * window[i];
    transform(re, im);
    const level = Float32Array.from(re.subarray(0, n / 2), (value, i) => 10 * Math.log10(value * value + im[i] * im[i] + 1e-9));
    for (const value of level) if (value > loudest) loudest = value;
    levels.push(level);
  }
  for (let x = 0; x < width; x++) {
    const level = levels[Math.floor((x * columns) / width)];
    for (let y = 0; y < height; y++) {
      const share = Math.max(0, 1 + (level[bins[y]] - loudest) / 80);
      const at = 4 * (y * width + x);
      image.data[at] = 255 * Math.min(1, share * 1.5);
      image.data[at + 1] = 255 * share * share;
      image.data[at + 2] = 255 * (0.25 + 0.5 * share) * (share > 0 ? 1 : 0.6);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

const BLACK = new Set([1, 3, 6, 8, 10]);

export function piano(element) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 520 60");
  svg.setAttribute("preserveAspectRatio", "none");
  const whites = [], blacks = [];
  let x = 0;
  for (let midi = 21; midi <= 108; midi++) {
    const key = document.createElementNS(SVG, "rect");
    const black = BLACK.has(midi % 12);
    key.setAttribute("class", black ? "black" : "white");
    key.dataset.midi = midi;
    key.setAttribute("x", black ? x - 3 : x);
    key.setAttribute("y", 0);
    key.setAttribute("width", black ? 6 : 10);
    key.setAttribute("height", black ? 38 : 60);
    if (!black) x += 10;
    (black ? blacks : whites).push(key);
  }
  svg.append(...whites, ...blacks);
  element.replaceChildren(svg);
  // Lights keys, each with `midi` and `name`, and no others.
  return (keys) => {
    const lit = new Set(keys.map(({ midi }) => midi));
    for (const key of svg.children) key.classList.toggle("lit", lit.has(Number(key.dataset.midi)));
    const names = keys.map(({ name }) => name).join(" ");
    element.setAttribute("aria-label", names ? `Piano keyboard, ${names} lit` : "Piano keyboard, no key lit");
  };
}

let symbols = null;

export async function loadSymbols() {
  const text = await (await fetch("/page/symbols.svg")).text();
  symbols = new DOMParser().parseFromString(text, "image/svg+xml");
}

// Returns the outlines of a label and their box, in staff units: 250 between lines, y up is negative.
function outlines(label) {
  const found = symbols?.getElementById(label);
  if (!found) return null;
  const [, top, width, height] = found.getAttribute("viewBox").split(" ").map(Number);
  const group = document.createElementNS(SVG, "g");
  for (const child of found.children) group.append(document.importNode(child, true));
  return { group, top, width, height };
}

export function printed(element, label, name) {
  element.setAttribute("aria-label", label ? `In print: ${name ?? label}` : "Nothing recognised yet");
  const found = label && outlines(label);
  if (!found) {
    element.replaceChildren(label ?? "");
    return;
  }
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `-60 ${found.top - 60} ${found.width + 120} ${found.height + 120}`);
  svg.append(found.group);
  element.replaceChildren(svg);
}

const UNITS_PER_REM = 2500 / 7;

export function printedLine(element, kept) {
  const svg = document.createElementNS(SVG, "svg");
  let x = 200;
  const groups = [];
  for (const { label } of kept) {
    const found = outlines(label);
    if (!found) continue;
    found.group.setAttribute("transform", `translate(${x} 0)`);
    groups.push(found.group);
    x += found.width + 220;
  }
  // As long as what is on it, and never shorter than its frame, whose padding is half a rem on each side.
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const width = Math.max(x, (element.clientWidth / rem - 1) * UNITS_PER_REM);
  for (let line = 0; line < 5; line++) {
    const rule = document.createElementNS(SVG, "path");
    rule.setAttribute("d", `M0 ${-250 * line}H${width}`);
    rule.setAttribute("class", "staff");
    svg.append(rule);
  }
  svg.append(...groups);
  svg.setAttribute("viewBox", `0 -1700 ${width} 2500`);
  svg.setAttribute("width", `${width / UNITS_PER_REM}rem`);
  element.replaceChildren(svg);
  const names = kept.map(({ name, label }) => name ?? label);
  element.setAttribute("aria-label", names.length ? `Staff with ${names.join(", ")}` : "Empty staff");
}

export function strokes(canvas, drawn) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.strokeStyle = context.fillStyle = inkColour(canvas);
  context.lineWidth = 7;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of drawn) {
    context.beginPath();
    if (stroke.length === 1) {
      context.arc(...stroke[0], context.lineWidth, 0, 2 * Math.PI);
      context.fill();
      continue;
    }
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
}


// Examples to click: sounds and drawings that are made here, so that the page needs no files.

const RATE_HZ = 22050;

// A struck string: partials that fade the faster the higher they are, a little sharp as those of stiff strings.
function addKey(samples, midi, startS, seconds) {
  const f0 = 440 * 2 ** ((midi - 69) / 12), start = Math.round(startS * RATE_HZ);
  const n = Math.min(Math.round(seconds * RATE_HZ), samples.length - start);
  for (let k = 1; k < 16; k++) {
    const hz = f0 * k * Math.sqrt(1 + 3e-4 * k * k);
    if (hz > RATE_HZ / 2.2) break;
    for (let i = 0; i < n; i++) {
      const t = i / RATE_HZ;
      samples[start + i] += k ** -1.3 * Math.exp(-t * (0.9 + 0.35 * k)) * Math.sin(2 * Math.PI * hz * t + k * k) * Math.min(1, t / 0.004);
    }
  }
}

function played(seconds, make) {
  const samples = new Float32Array(Math.round(seconds * RATE_HZ));
  make(samples);
  const loudest = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return { samples: samples.map((value) => (0.7 * value) / loudest), rateHz: RATE_HZ };
}

export const SOUNDS = {
  "One key": () => played(2, (samples) => addKey(samples, 69, 0, 2)),
  "A melody": () => played(4, (samples) => [60, 64, 67, 72].forEach((midi, i) => addKey(samples, midi, i, 1))),
  "A chord": () => played(2, (samples) => [60, 64, 67].forEach((midi) => addKey(samples, midi, 0, 2))),
  "Noise": () => played(2, (samples) => samples.forEach((_, i) => { samples[i] = Math.random() - 0.5; })),
};

const line = (...points) => points;
function oval(x, y, width, height) {
  const turn = Array.from({ length: 33 }, (_, i) => (2 * Math.PI * i) / 32);
  return turn.map((angle) => [x + width * Math.cos(angle), y + height * Math.sin(angle) - 0.03 * Math.cos(angle)]);
}

// Strokes of points in 0…1 of the drawing area.
export const DRAWINGS = {
  "Sharp": [line([0.4, 0.2], [0.4, 0.85]), line([0.6, 0.15], [0.6, 0.8]), line([0.3, 0.45], [0.7, 0.35]), line([0.3, 0.65], [0.7, 0.55])],
  "Half note": [oval(0.45, 0.72, 0.1, 0.075), line([0.55, 0.7], [0.55, 0.2])],
  "Flat": [line([0.4, 0.15], [0.4, 0.8], [0.5, 0.72], [0.58, 0.6], [0.54, 0.52], [0.4, 0.6])],
  "A word": [line([0.2, 0.4], [0.3, 0.7], [0.38, 0.45], [0.46, 0.7], [0.55, 0.4]), oval(0.68, 0.58, 0.06, 0.1), line([0.78, 0.48], [0.78, 0.7], [0.78, 0.55], [0.9, 0.47])],
};

export function buttonsOf(examples, choose) {
  const intro = document.createElement("span");
  intro.className = "hint";
  intro.textContent = "Or try:";
  const buttons = Object.entries(examples).map(([name, example]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.onclick = () => choose(example, name);
    return button;
  });
  return [intro, ...buttons];
}

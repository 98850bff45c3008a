// Why an answer: the input as the network sees it, grey, and what decided, in colour.

import * as api from "/page/api.js";

const $ = (id) => document.getElementById(id);

export function whyPanel({ model }) {
  let asked = null;

  function forget() {
    asked = null;
    $("why").disabled = true;
    $("reasons").hidden = true;
  }

  // What was answered last and can be explained: `{ file }` or `{ strokes }`.
  function about(input) {
    forget();
    asked = input;
    $("why").disabled = false;
  }

  $("why").onclick = async () => {
    const input = asked;
    $("why").disabled = true;
    $("why").textContent = "Looking …";
    try {
      const found = await api.explain(model(), input);
      if (input === asked) show(found);
    } catch (error) {
      // The answer stays: only its explanation failed.
      $("reasons-picture").hidden = true;
      $("reasons-text").textContent = error.message;
      $("reasons").hidden = input !== asked;
    }
    $("why").textContent = "Why?";
    $("why").disabled = asked === null;
  };
  return { about, forget };
}

function show({ label, confidence, without, deciding_s: span, is_sound: isSound, feature_map: map, importance }) {
  const canvas = $("reasons-picture"), [height, width] = [map.length, map[0].length];
  [canvas.width, canvas.height] = [width, height];
  canvas.classList.toggle("ink", !isSound);
  const image = new ImageData(width, height);
  for (let row = 0; row < height; row++) {
    // Low frequencies are the first rows, and stand at the bottom.
    const from = isSound ? height - 1 - row : row;
    for (let column = 0; column < width; column++) {
      const [level, weight] = [map[from][column], importance[from][column] / 255], at = 4 * (row * width + column);
      const grey = isSound ? 0.6 * level : 255 - level;
      image.data[at] = grey + (245 - grey) * weight;
      image.data[at + 1] = grey + (150 - grey) * weight;
      image.data[at + 2] = grey * (1 - weight);
      image.data[at + 3] = 255;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  const share = (value) => `${(100 * value).toFixed(0)} %`;
  const where = span ? `, most of it from ${span[0].toFixed(1)} to ${span[1].toFixed(1)} s` : "";
  $("reasons-text").textContent = `Orange is what speaks for ${label}${where}. With it the answer has ${share(confidence)}, without its strongest tenth ${share(without)}.`;
  $("reasons-picture").hidden = false;
  $("reasons").hidden = false;
}

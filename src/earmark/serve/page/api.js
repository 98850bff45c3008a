// Talking to the service. Every failure becomes an Error with the sentence that the service gave.

let token = "";

export function useToken(text) {
  token = text;
}

export class NeedsToken extends Error {}

async function responded(path, options) {
  const headers = { ...(options.headers ?? {}) };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the service cannot be reached; see that it still runs");
  }
  if (response.ok) return response;
  const values = await response.json().catch(() => ({}));
  const sentence = values.detail ?? `the service answered with status ${response.status}`;
  throw response.status === 401 ? new NeedsToken(sentence) : new Error(sentence);
}

async function answered(path, options = {}) {
  return (await responded(path, options)).json().catch(() => ({}));
}

export function models() {
  return answered("/v1/models");
}

// Serves a recognizer file under the name that it has here; returns that name.
export async function bringModel(file) {
  const name = file.name.replace(/\.onnx$/, "").replace(/[^\w.-]+/g, "-") || "own";
  await answered(`/v1/models/${encodeURIComponent(name)}`, { method: "PUT", body: file });
  return name;
}

export function predictFile(model, file, { timeline = false, signal } = {}) {
  const form = new FormData();
  form.append("file", file, file.name ?? "recording.wav");
  return answered(`/v1/predict/${encodeURIComponent(model)}?timeline=${timeline}`, { method: "POST", body: form, signal });
}

// The notes of a recording as a MIDI file.
export async function predictMidi(model, file) {
  const form = new FormData();
  form.append("file", file, file.name ?? "recording.wav");
  const path = `/v1/predict/${encodeURIComponent(model)}?wanted=midi`;
  return (await responded(path, { method: "POST", body: form })).blob();
}

export function predictStrokes(model, strokes, { signal } = {}) {
  return answered(`/v1/predict/${encodeURIComponent(model)}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ strokes }),
    signal,
  });
}

// What an answer rests on: of a file, or of strokes.
export function explain(model, { file, strokes }) {
  const path = `/v1/explain/${encodeURIComponent(model)}`;
  if (strokes) {
    return answered(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ strokes }) });
  }
  const form = new FormData();
  form.append("file", file, file.name ?? "recording.wav");
  return answered(path, { method: "POST", body: form });
}

// Reads a line of strokes with its staff and the symbols that a person has named.
export function readLine(model, line) {
  return answered(`/v1/read/${encodeURIComponent(model)}`, asJson(line));
}

// Returns the line, or several, as a file: "musicxml", or "homus", a zip of the named symbols.
export async function exported(model, line, wanted) {
  return (await responded(`/v1/read/${encodeURIComponent(model)}?wanted=${wanted}`, asJson(line))).blob();
}

function asJson(values) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) };
}

// Opens a stream; `onAnswer` and `onError` are called for every message of the service.
export function listen(model, sampleRateHz, { onAnswer, onError }) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/listen`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    socket.send(JSON.stringify({ model, sample_rate_hz: sampleRateHz, ...(token ? { token } : {}) }));
  };
  socket.onmessage = (event) => {
    const values = JSON.parse(event.data);
    if (values.error) onError(new Error(values.error));
    else if (!values.ready) onAnswer(values);
  };
  socket.onerror = () => onError(new Error("the live connection broke; the recording goes on"));
  return {
    send(samples) {
      if (socket.readyState === WebSocket.OPEN) socket.send(samples);
    },
    close() {
      socket.onmessage = null;
      socket.close();
    },
  };
}

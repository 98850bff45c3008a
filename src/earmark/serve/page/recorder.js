// Runs in the audio thread: passes what the microphone hears on in blocks.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(2048);
    this.n = 0;
  }

  process([input]) {
    const channels = input.length;
    if (!channels) return true;
    for (let i = 0; i < input[0].length; i++) {
      let sum = 0;
      for (const channel of input) sum += channel[i];
      this.block[this.n++] = sum / channels;
      if (this.n === this.block.length) {
        this.port.postMessage(this.block);
        this.block = new Float32Array(2048);
        this.n = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);

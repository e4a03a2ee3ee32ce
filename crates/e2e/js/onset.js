// An audio worklet that tells when a beep begins.

/** Between the hum and the beeps of the marks. */
const LOUD_MIN = 0.15;
/** Quiet that has to come before a beep: longer than a beep's own zero crossings. */
const QUIET_S = 0.2;

class Onset extends AudioWorkletProcessor {
  lastLoud = -Infinity;

  process([[samples]]) {
    for (let index = 0; samples && index < samples.length; index++) {
      if (Math.abs(samples[index]) < LOUD_MIN) continue;
      const at = currentTime + index / sampleRate;
      if (at - this.lastLoud > QUIET_S) this.port.postMessage(at);
      this.lastLoud = at;
    }
    return true;
  }
}

registerProcessor("onset", Onset);

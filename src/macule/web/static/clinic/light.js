// The quality checks that decide on the server (analysis/quality.py), measured on a small copy for hints while aiming.
// They may differ a little: a browser shrinks pictures otherwise. The server has the last word.
(() => {
  "use strict";
  const SIDE = 256;
  const BURNT = 250;
  const ROUNDING = 1 / 12;

  function kernel(sigma) {
    const radius = Math.ceil(4 * sigma);
    const weights = Float32Array.from({ length: 2 * radius + 1 }, (_, at) => Math.exp(-((at - radius) ** 2) / (2 * sigma * sigma)));
    const sum = weights.reduce((total, one) => total + one, 0);
    return weights.map((one) => one / sum);
  }
  const NEAR = kernel(1);
  const FAR = kernel(4);

  // Separable: along the rows into a turned copy, twice. Edges are reflected, as OpenCV does.
  function pass(values, weights) {
    const turned = new Float32Array(SIDE * SIDE);
    const radius = (weights.length - 1) / 2;
    const row = new Float32Array(SIDE + 2 * radius);
    for (let y = 0; y < SIDE; y++) {
      for (let at = -radius; at < SIDE + radius; at++) {
        const from = at < 0 ? -at : at >= SIDE ? 2 * SIDE - 2 - at : at;
        row[at + radius] = values[y * SIDE + from];
      }
      for (let x = 0; x < SIDE; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * row[x + k];
        turned[x * SIDE + y] = sum;
      }
    }
    return turned;
  }
  const blur = (values, weights) => pass(pass(values, weights), weights);

  function variance(first, second, part) {
    const edge = Math.floor(SIDE / part);
    let count = 0;
    let sum = 0;
    let squares = 0;
    for (let y = edge; y < SIDE - edge; y++) {
      for (let x = edge; x < SIDE - edge; x++) {
        const value = first[y * SIDE + x] - second[y * SIDE + x];
        count++;
        sum += value;
        squares += value * value;
      }
    }
    return squares / count - (sum / count) ** 2;
  }

  function rank(levels, count, share) {
    let left = share * count;
    for (let level = 0; level < 256; level++) {
      left -= levels[level];
      if (left <= 0) return level;
    }
    return 255;
  }

  // pixels: RGBA of a square of SIDE pixels. Returns what quality.py calls sharpness, darkness, brightness and glare.
  function measure(pixels) {
    const grey = new Float32Array(SIDE * SIDE);
    const levels = new Uint32Array(256);
    const edge = Math.floor(SIDE / 6);
    let count = 0;
    let burnt = 0;
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const at = y * SIDE + x;
        const [red, green, blue] = [pixels[4 * at], pixels[4 * at + 1], pixels[4 * at + 2]];
        grey[at] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
        if (x >= edge && y >= edge && x < SIDE - edge && y < SIDE - edge) {
          levels[grey[at]]++;
          count++;
          if (Math.min(red, green, blue) >= BURNT) burnt++;
        }
      }
    }
    const near = blur(grey, NEAR);
    const middle = variance(near, blur(grey, FAR), 8);
    const fine = Math.max(variance(grey, near, 8) - ROUNDING, 0);
    return {
      sharpness: middle > 0 ? Math.sqrt(fine / middle) : 0,
      darkness: rank(levels, count, 0.95), brightness: rank(levels, count, 0.5), glare: burnt / count,
    };
  }

  // What to say of it: "dark", "bright", "glare", "blur" or "" if nothing is wrong.
  function judge(found, limits) {
    if (found.darkness < limits.darkness) return "dark";
    if (found.brightness > limits.brightness) return "bright";
    if (found.glare > limits.glare) return "glare";
    return found.sharpness < limits.sharpness ? "blur" : "";
  }

  window.maculeLight = { SIDE, measure, judge };
})();

// Masks as class indices, one byte a pixel, row by row; run lengths as the service sends them, down the columns.

/** The mask of a prediction. */
export function decodeClasses(classes, width, height) {
  const mask = new Uint8Array(width * height);
  for (const { index, rle } of classes) {
    let position = 0;
    rle.counts.forEach((count, number) => {
      const end = position + count;
      if (number % 2) for (; position < end; position++) mask[(position % height) * width + Math.floor(position / height)] = index;
      position = end;
    });
  }
  return mask;
}

/** The run lengths of each class of a mask. */
export function encodeClasses(mask, width, height, indices) {
  return indices.map(index => {
    const counts = [];
    let inside = false, run = 0;
    for (let column = 0; column < width; column++) {
      for (let at = column; at < mask.length; at += width) {
        if ((mask[at] === index) !== inside) { counts.push(run); run = 0; inside = !inside; }
        run++;
      }
    }
    counts.push(run);
    return { index, rle: { size: [height, width], counts } };
  });
}

/** How many pixels each value has. */
export function countPixels(mask) {
  const counts = new Array(256).fill(0);
  for (const value of mask) counts[value]++;
  return counts;
}

/** A mask under correction: every stroke can be undone. */
export class Correction {
  constructor(predicted, width, height) {
    Object.assign(this, { predicted, width, height, mask: predicted.slice(), undone: [], strokes: [], stroke: null,
      version: 0, savedVersion: 0 });
  }

  begin() { this.stroke = new Map(); }

  /** Paint a disc. */
  stamp(x, y, radius, value) {
    const left = Math.max(0, Math.ceil(x - radius)), right = Math.min(this.width - 1, Math.floor(x + radius));
    const top = Math.max(0, Math.ceil(y - radius)), bottom = Math.min(this.height - 1, Math.floor(y + radius));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        if ((column - x) ** 2 + (row - y) ** 2 > radius ** 2) continue;
        const at = row * this.width + column;
        if (this.mask[at] === value) continue;
        if (!this.stroke.has(at)) this.stroke.set(at, this.mask[at]);
        this.mask[at] = value;
      }
    }
  }

  end() {
    if (this.stroke?.size) { this.strokes.push(this.stroke); this.undone = []; this.version++; }
    this.stroke = null;
  }

  undo() { this.swap(this.strokes, this.undone); }
  redo() { this.swap(this.undone, this.strokes); }

  swap(from, to) {
    const stroke = from.pop();
    if (!stroke) return;
    const back = new Map();
    for (const [at, value] of stroke) { back.set(at, this.mask[at]); this.mask[at] = value; }
    to.push(back);
    this.version++;
  }

  get unsaved() { return this.version !== this.savedVersion; }
  get changed() { return this.mask.some((value, at) => value !== this.predicted[at]); }

  /** How many pixels differ from the prediction. */
  countChanged() {
    let count = 0;
    for (let at = 0; at < this.mask.length; at++) if (this.mask[at] !== this.predicted[at]) count++;
    return count;
  }
}

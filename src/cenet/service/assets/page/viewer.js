// The canvas: an image and its mask, zoomed and moved, and a brush. Drawn by hand: a mask is changed pixel by pixel, and
// libraries of shapes have no part in that.

const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]]; // dark to bright, for all eyes

/** The maps that a prediction may have beside its mask. */
export const MAPS = ['probability', 'uncertainty'];

function heat(share) {
  const place = share * (HEAT.length - 1), low = Math.min(Math.floor(place), HEAT.length - 2), part = place - low;
  return HEAT[low].map((value, channel) => value + (HEAT[low + 1][channel] - value) * part);
}

/** Paint the pixels of a rectangle of a mask in the colours of their classes. */
function paintClasses(context, { correction, colours }, left, top, right, bottom) {
  const { mask, width } = correction, picture = new ImageData(right - left, bottom - top);
  for (let row = top, to = 0; row < bottom; row++) {
    for (let column = left; column < right; column++, to += 4) {
      const value = mask[row * width + column];
      if (value) picture.data.set([...colours[value - 1], 255], to);
    }
  }
  context.putImageData(picture, left, top);
}

function createCanvas(width, height) {
  return Object.assign(document.createElement('canvas'), { width, height });
}

const toPng = canvas => new Promise(done => canvas.toBlob(done, 'image/png'));

/** An image with its mask, in its own size, as PNG. */
export function overlayMask(item, opacity) {
  const { width, height } = item, layer = createCanvas(width, height), canvas = createCanvas(width, height);
  paintClasses(layer.getContext('2d'), item, 0, 0, width, height);
  const context = canvas.getContext('2d');
  context.drawImage(item.image, 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(layer, 0, 0);
  return toPng(canvas);
}

export class Viewer {
  constructor(canvas, { onStroke, onSize }) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.layers = { mask: document.createElement('canvas') };
    for (const map of MAPS) this.layers[map] = document.createElement('canvas');
    Object.assign(this, { onStroke, onSize, tool: 'move', layer: 'mask', opacity: 0.6, size: 6, value: 1, item: null,
      pointers: new Map(), brush: null, scale: 1, x: 0, y: 0 });
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener('pointerdown', event => this.press(event));
    canvas.addEventListener('pointermove', event => this.move(event));
    for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, event => this.release(event));
    canvas.addEventListener('pointerleave', () => { if (!this.pointers.size) { this.brush = null; this.draw(); } });
    canvas.addEventListener('wheel', event => {
      event.preventDefault();
      this.zoom(Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) / 300), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener('keydown', event => this.key(event));
  }

  show(item) {
    this.item = item;
    this.brush = null;
    if (!item) return;
    for (const layer of Object.values(this.layers)) { layer.width = item.width; layer.height = item.height; }
    for (const map of MAPS) if (item.maps[map]) this.paintMap(map);
    if (!(this.layer in item.maps || this.layer === 'mask' || this.layer === 'image')) this.layer = 'mask';
    this.paintMask();
    this.resize();
    this.fit();
  }

  resize() {
    const ratio = devicePixelRatio || 1, { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth) return;
    const fitted = this.item && Math.abs(this.scale - this.fittingScale()) < 1e-6;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    if (fitted) this.fit(); else this.draw();
  }

  fittingScale() {
    return Math.min((this.fitWidth ?? this.canvas.clientWidth) / this.item.width, (this.fitHeight ?? this.canvas.clientHeight) / this.item.height);
  }

  fit() {
    if (!this.item) return;
    Object.assign(this, { fitWidth: this.canvas.clientWidth, fitHeight: this.canvas.clientHeight });
    this.scale = this.fittingScale();
    this.x = (this.canvas.clientWidth - this.item.width * this.scale) / 2;
    this.y = (this.canvas.clientHeight - this.item.height * this.scale) / 2;
    this.draw();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.item) return;
    const scale = Math.max(this.fittingScale() / 4, Math.min(64, this.scale * factor)), ratio = scale / this.scale;
    this.x = x - (x - this.x) * ratio;
    this.y = y - (y - this.y) * ratio;
    this.scale = scale;
    this.draw();
  }

  pan(x, y) { this.x += x; this.y += y; this.draw(); }

  /** Draw the mask again, where it has changed. */
  paintMask(left = 0, top = 0, right = this.item.width, bottom = this.item.height) {
    left = Math.max(0, Math.floor(left)); top = Math.max(0, Math.floor(top));
    right = Math.min(this.item.width, Math.ceil(right)); bottom = Math.min(this.item.height, Math.ceil(bottom));
    if (right <= left || bottom <= top) return;
    paintClasses(this.layers.mask.getContext('2d'), this.item, left, top, right, bottom);
  }

  paintMap(map) {
    const grey = createCanvas(this.item.width, this.item.height), context = grey.getContext('2d', { willReadFrequently: true });
    context.drawImage(this.item.maps[map], 0, 0);
    const picture = context.getImageData(0, 0, this.item.width, this.item.height);
    const table = Array.from({ length: 256 }, (_, value) => heat(value / 255));
    for (let at = 0; at < picture.data.length; at += 4) picture.data.set(table[picture.data[at]], at);
    this.layers[map].getContext('2d').putImageData(picture, 0, 0);
  }

  draw() {
    if (!this.item) return;
    const { context, canvas, scale } = this, ratio = canvas.width / canvas.clientWidth;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale * ratio, 0, 0, scale * ratio, this.x * ratio, this.y * ratio);
    context.imageSmoothingEnabled = scale < 2;
    this.compose(context);
    if (this.brush && this.tool !== 'move') {
      context.lineWidth = 1.5 / scale;
      for (const [colour, radius] of [['#000', this.size / 2 + 1 / scale], ['#fff', this.size / 2]]) {
        context.strokeStyle = colour;
        context.beginPath();
        context.arc(this.brush.x + 0.5, this.brush.y + 0.5, radius, 0, 2 * Math.PI);
        context.stroke();
      }
    }
  }

  compose(context) {
    context.globalAlpha = 1;
    context.drawImage(this.item.image, 0, 0);
    if (this.layer !== 'image') {
      context.globalAlpha = this.opacity;
      context.drawImage(this.layers[this.layer], 0, 0);
      context.globalAlpha = 1;
    }
  }

  /** The image with its layer, in its own size. */
  overlay() {
    const canvas = createCanvas(this.item.width, this.item.height);
    this.compose(canvas.getContext('2d'));
    return toPng(canvas);
  }

  /** The pixel at a point of the canvas. */
  pixel(x, y) { return { x: (x - this.x) / this.scale - 0.5, y: (y - this.y) / this.scale - 0.5 }; }

  stamp(x, y) {
    const radius = this.size / 2;
    this.item.correction.stamp(x, y, radius, this.tool === 'add' ? this.value : 0);
    this.paintMask(x - radius - 1, y - radius - 1, x + radius + 2, y + radius + 2);
  }

  press(event) {
    if (!this.item || event.button > 1) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    this.painting = this.tool !== 'move' && event.button === 0 && this.pointers.size === 1;
    if (!this.painting) { if (this.item.correction.stroke) this.finish(); return; }
    this.item.correction.begin();
    this.brush = this.pixel(event.offsetX, event.offsetY);
    this.stamp(this.brush.x, this.brush.y);
    this.draw();
  }

  move(event) {
    if (!this.item) return;
    const before = this.pointers.get(event.pointerId), now = { x: event.offsetX, y: event.offsetY };
    const pixel = this.pixel(now.x, now.y);
    if (!before) { this.brush = pixel; this.draw(); return; }
    if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const distance = point => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.zoom(distance(now) / distance(before), other.x, other.y);
    } else if (this.painting) {
      const from = this.brush, steps = Math.max(1, Math.ceil(Math.hypot(pixel.x - from.x, pixel.y - from.y) / Math.max(0.5, this.size / 4)));
      for (let step = 1; step <= steps; step++) {
        this.stamp(from.x + (pixel.x - from.x) * step / steps, from.y + (pixel.y - from.y) * step / steps);
      }
      this.brush = pixel;
      this.draw();
    } else {
      this.pan(now.x - before.x, now.y - before.y);
    }
    this.pointers.set(event.pointerId, now);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    if (this.item?.correction.stroke && !this.pointers.size) this.finish();
  }

  finish() {
    this.item.correction.end();
    this.painting = false;
    this.onStroke();
  }

  key(event) {
    if (!this.item || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey) return;
    if (arrows && this.tool === 'move') {
      this.pan(-40 * arrows[0], -40 * arrows[1]);
    } else if (arrows) {
      const middle = this.pixel(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2), step = event.shiftKey ? 10 : 1;
      const at = this.brush ?? { x: Math.round(middle.x), y: Math.round(middle.y) };
      this.brush = { x: Math.round(at.x + arrows[0] * step), y: Math.round(at.y + arrows[1] * step) };
      this.draw();
    } else if (event.key === ' ' && this.tool !== 'move') {
      this.brush ??= this.pixel(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
      this.item.correction.begin();
      this.stamp(this.brush.x, this.brush.y);
      this.finish();
      this.draw();
    } else if (event.key === '+' || event.key === '=') this.zoom(1.4);
    else if (event.key === '-') this.zoom(1 / 1.4);
    else if (event.key === '0') this.fit();
    else if (event.key === '[') this.onSize(-1);
    else if (event.key === ']') this.onSize(1);
    else return;
    event.preventDefault();
  }
}

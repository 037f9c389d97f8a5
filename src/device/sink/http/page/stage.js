// The picture: before and after on one canvas, a divider between them, a lens.

const LENS_RADIUS = 92;
const LENS_ZOOM = 3;

export class Stage {
  #stage = document.getElementById('stage');
  #frame = document.getElementById('frame');
  #canvas = document.getElementById('canvas');
  #divider = document.getElementById('divider');
  #context = this.#canvas.getContext('2d', { alpha: false });
  #before = null;
  #after = null;
  #split = 0.5;
  #lens = null;
  #lensOn = false;
  #asked = false;
  /** Pictures drawn since the beginning. */
  shown = 0;

  constructor() {
    new ResizeObserver(() => this.#fit()).observe(this.#stage);
    window.addEventListener('resize', () => this.#fit());
    this.#listen();
    this.#fit();
  }

  /** Shows a frame; both are ImageBitmaps, `before` may be missing. Takes them over. */
  show(before, after) {
    const resized = !this.#after || this.#after.width !== after.width || this.#after.height !== after.height;
    this.#before?.close();
    this.#after?.close();
    [this.#before, this.#after] = [before, after];
    this.#frame.classList.toggle('single', !before);
    this.shown++;
    if (resized) this.#fit();
    this.draw();
  }

  set lens(on) {
    this.#lensOn = on;
    this.#frame.classList.toggle('lens', on);
    if (!on) this.#lens = null;
    this.draw();
  }

  /** Where the divider stands, from 0 to 1. */
  get split() { return this.#split; }
  set split(to) {
    this.#split = Math.min(1, Math.max(0, to));
    const percent = Math.round(100 * this.#split);
    this.#divider.style.left = `${100 * this.#split}%`;
    this.#divider.setAttribute('aria-valuenow', percent);
    this.#divider.setAttribute('aria-valuetext', `${percent} % before`);
    this.#frame.querySelector('.tag.before').style.opacity = this.#split < 0.12 ? 0 : '';
    this.#frame.querySelector('.tag.after').style.opacity = this.#split > 0.88 ? 0 : '';
    this.draw();
  }

  /** Draws with the screen's next picture, once. */
  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#paint();
    });
  }

  #listen() {
    const place = (event) => {
      const box = this.#canvas.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width };
    };
    const drag = (element, mayStart) => {
      element.addEventListener('pointerdown', (event) => {
        if (event.button || !mayStart()) return;
        element.setPointerCapture(event.pointerId);
        this.split = place(event).x / place(event).width;
      });
      element.addEventListener('pointermove', (event) => {
        if (element.hasPointerCapture(event.pointerId) && mayStart()) this.split = place(event).x / place(event).width;
      });
    };
    drag(this.#divider, () => true);
    drag(this.#canvas, () => !this.#lensOn && this.#before);
    this.#divider.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const to = {
        ArrowLeft: this.#split - step, ArrowDown: this.#split - step, ArrowRight: this.#split + step, ArrowUp: this.#split + step,
        PageDown: this.#split - 0.1, PageUp: this.#split + 0.1, Home: 0, End: 1,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.split = to;
    });
    this.#lensEvents(place);
  }

  #lensEvents(place) {
    const move = (event) => {
      if (!this.#lensOn) return;
      const { x, y } = place(event);
      this.#lens = { x, y, up: event.pointerType === 'touch' ? LENS_RADIUS + 24 : 0 };
      this.draw();
    };
    this.#canvas.addEventListener('pointermove', move);
    this.#canvas.addEventListener('pointerdown', move);
    this.#canvas.addEventListener('pointerleave', () => {
      this.#lens = null;
      this.draw();
    });
    this.#canvas.addEventListener('keydown', (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!by || !this.#lensOn) return;
      event.preventDefault();
      const box = this.#canvas.getBoundingClientRect();
      const step = event.shiftKey ? 40 : 10;
      const from = this.#lens ?? { x: box.width / 2, y: box.height / 2 };
      const clamp = (value, most) => Math.min(most, Math.max(0, value));
      this.#lens = { x: clamp(from.x + step * by[0], box.width), y: clamp(from.y + step * by[1], box.height), up: 0 };
      this.draw();
    });
  }

  /** The frame takes as much of the stage as the picture's shape allows. */
  #fit() {
    const shape = this.#after ? this.#after.width / this.#after.height : 16 / 9;
    const narrow = getComputedStyle(this.#stage.parentElement).display === 'flex';
    const room = this.#stage.getBoundingClientRect();
    const most = narrow ? window.innerHeight * 0.62 : room.height - 2;
    const width = Math.max(1, Math.min(room.width, most * shape));
    this.#frame.style.width = `${width}px`;
    this.#frame.style.height = `${width / shape}px`;
    const dense = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * dense), Math.round((width / shape) * dense)];
    if (this.#canvas.width !== across || this.#canvas.height !== down) {
      [this.#canvas.width, this.#canvas.height] = [across, down];
      this.draw();
    }
  }

  #paint() {
    const { width, height } = this.#canvas;
    const context = this.#context;
    if (!this.#after) {
      context.fillStyle = '#0b0d11';
      context.fillRect(0, 0, width, height);
      return;
    }
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#after, 0, 0, width, height);
    const at = Math.round(width * this.#split);
    if (this.#before && at > 0) {
      context.save();
      context.beginPath();
      context.rect(0, 0, at, height);
      context.clip();
      context.drawImage(this.#before, 0, 0, width, height);
      context.restore();
    }
    if (this.#lens) this.#paintLens();
  }

  /** The same place twice, side by side under one glass: before on the left, after on the right, pixels as they are. */
  #paintLens() {
    const context = this.#context;
    const { width, height } = this.#canvas;
    const dense = width / this.#canvas.clientWidth;
    const [x, y] = [this.#lens.x * dense, this.#lens.y * dense];
    const [cx, cy, r] = [x, y - this.#lens.up * dense, LENS_RADIUS * dense];
    const half = r / LENS_ZOOM / 2;
    context.save();
    context.beginPath();
    context.arc(cx, cy, r, 0, 2 * Math.PI);
    context.shadowColor = 'rgb(0 0 0 / .6)';
    context.shadowBlur = 24 * dense;
    context.fillStyle = '#0b0d11';
    context.fill();
    context.shadowColor = 'transparent';
    context.clip();
    context.imageSmoothingEnabled = false;
    const put = (picture, left, wide) => {
      const [sx, sy] = [picture.width / width, picture.height / height];
      const reach = wide ? 2 * half : half;
      context.drawImage(
        picture, (x - reach) * sx, (y - 2 * half) * sy, 2 * reach * sx, 4 * half * sy, left, cy - r, wide ? 2 * r : r, 2 * r,
      );
    };
    if (this.#before) {
      put(this.#before, cx - r, false);
      put(this.#after, cx, false);
      context.fillStyle = 'rgb(255 255 255 / .8)';
      context.fillRect(cx - dense / 2, cy - r, dense, 2 * r);
    } else put(this.#after, cx - r, true);
    context.restore();
    context.lineWidth = 2 * dense;
    context.strokeStyle = 'rgb(255 255 255 / .85)';
    context.beginPath();
    context.arc(cx, cy, r, 0, 2 * Math.PI);
    context.stroke();
  }
}

// The figures beside the picture, the choices, and the chart.

const $ = (id) => document.getElementById(id);
const ms = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const REMEMBERED = 60;

/** Writes what /state tells. */
export function write(result, choices) {
  const report = result.upres;
  const text = (id, value) => { if ($(id).textContent !== value) $(id).textContent = value; };
  text('fps-in', report.fps_in.toFixed(report.fps_in < 10 ? 1 : 0));
  text('fps-out', report.fps_out.toFixed(report.fps_out < 10 ? 1 : 0));
  const { p50, p95, p99 } = report.age;
  text('quantiles', p50 ? [p50, p95, p99].map((age) => `${ms(age)}`).join(' · ') : '–');
  stages(report.ms, text);
  const tiles = report.tiles_run + report.tiles_reused;
  text('tiles', tiles && report.tiles_reused ? `${Math.round((100 * report.tiles_reused) / tiles)} %` : '–');
  text('temperature', report.temperature === null ? '–' : `${report.temperature.toFixed(1)} °C${report.throttled ? ', throttled' : ''}`);
  $('temperature').classList.toggle('hot', report.throttled);
  const dropped = Object.entries(report.dropped).filter(([why, n]) => n && why !== 'unwatched');
  text('dropped', dropped.map(([why, n]) => `${n.toLocaleString('en')} ${why}`).join(', ') || 'none');
  text('source', report.format || report.source || '–');
  text('watching', String(result.stream.clients));
  text('uptime', duration(report.uptime));
  const governor = report.governor;
  text('governor', governor.state || '–');
  $('governor').dataset.level = governor.step || governor.reason ? 'less' : 'full';
  $('reason-row').hidden = !governor.reason;
  text('reason', governor.reason);
  const size = ([width, height]) => `${width} × ${height}`;
  $('sizes').innerHTML = '';
  if (report.output[0]) $('sizes').append(`${size(report.input)} → `, Object.assign(document.createElement('b'), { textContent: size(report.output) }));
  choices.write(report);
}

function stages(times, text) {
  const rest = Math.max(0, times.total - times.unpack - times.generator - times.chroma);
  const parts = { unpack: times.unpack, generator: times.generator, chroma: times.chroma, rest };
  for (const [name, value] of Object.entries(parts)) {
    text(`ms-${name}`, ms(value));
    $('stages').querySelector(`.${name}`).style.flexGrow = value;
  }
  text('total', times.total ? `${ms(times.total)} ms` : '');
}

function duration(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

/** Model and strength: what is chosen here holds until the device answers, or for a while. */
export class Choices {
  #until = { model: 0, strength: 0 };
  #later = null;

  constructor() {
    $('model').addEventListener('change', () => this.#ask('model', $('model').value));
    $('strength').addEventListener('input', () => {
      $('strength-value').textContent = Number($('strength').value).toFixed(2);
      this.#until.strength = Date.now() + 3000;
      clearTimeout(this.#later);
      this.#later = setTimeout(() => this.#ask('strength', Number($('strength').value)), 200);
    });
  }

  write(report) {
    const select = $('model');
    const names = JSON.stringify(report.models);
    if (select.dataset.names !== names && report.models.length) {
      select.dataset.names = names;
      select.replaceChildren(...report.models.map((name) => new Option(name, name)));
      select.disabled = report.models.length < 2;
    }
    if (Date.now() > this.#until.model || report.model === select.value) {
      this.#until.model = 0;
      select.value = report.model;
    }
    const other = report.running && report.running !== report.model;
    $('running').hidden = !other;
    $('running').textContent = other ? `running: ${report.running}` : '';
    $('strength-row').hidden = report.strength === null;
    if (report.strength !== null && Date.now() > this.#until.strength) {
      $('strength').value = report.strength;
      $('strength-value').textContent = report.strength.toFixed(2);
    }
  }

  async #ask(name, value) {
    this.#until[name] = Date.now() + 5000;
    let trouble = '';
    try {
      const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ [name]: value }) };
      const answer = await fetch('/control', options);
      if (!answer.ok) trouble = (await answer.text()).replace(/^\{"error":"(.*?)".*$/s, '$1');
    } catch {
      trouble = 'the device did not answer';
    }
    if (trouble) this.#until[name] = 0;
    $('trouble').hidden = !trouble;
    $('trouble').textContent = trouble;
  }
}

/** The next number that is easy to halve and to read. */
function roundUp(value) {
  const step = 10 ** Math.floor(Math.log10(Math.max(20, value)));
  return [2, 4, 6, 8, 10].map((n) => n * step).find((n) => n >= value);
}

/** Ages of frames over the last minute. */
export class Chart {
  #times = [];
  #ages = [];
  #plot = null;
  #drawn = 0;
  #age = 0;

  constructor() {
    if (typeof uPlot === 'undefined') return;
    const box = $('chart');
    const dim = '#7b8896';
    const axis = { stroke: dim, font: '11px system-ui', ticks: { show: false }, grid: { stroke: '#222932', width: 1 } };
    const options = {
      width: box.clientWidth || 290, height: 96, legend: { show: false }, cursor: { show: false }, padding: [6, 14, 0, 0],
      scales: { x: { time: false, range: () => [-REMEMBERED, 0] }, y: { range: (_, low, high) => [0, roundUp(1.1 * (high || 0))] } },
      axes: [
        { ...axis, size: 20, grid: { show: false }, splits: () => [-60, -40, -20, 0], values: (_, at) => at.map((s) => (s ? `${s} s` : 'now')) },
        { ...axis, size: 38, splits: (_, __, low, high) => [0, high / 2, high], values: (_, at) => at.map((v) => `${v}`) },
      ],
      series: [{}, { stroke: '#7fd6c2', width: 1.5, fill: 'rgb(127 214 194 / .1)', points: { show: false } }],
    };
    this.#plot = new uPlot(options, [[], []], box);
    new ResizeObserver(() => this.#plot.setSize({ width: box.clientWidth, height: 96 })).observe(box);
  }

  add(age) {
    const now = performance.now() / 1000;
    this.#times.push(now);
    this.#ages.push(age);
    this.#age += (age - this.#age) * (this.#age ? 0.1 : 1);
    if (now - this.#drawn < 0.25) return;
    this.#drawn = now;
    const old = this.#times.findIndex((time) => time > now - REMEMBERED);
    this.#times.splice(0, old);
    this.#ages.splice(0, old);
    $('age').textContent = this.#age < 1000 ? this.#age.toFixed(0) : '>999';
    this.#plot?.setData([this.#times.map((time) => time - now), this.#ages]);
  }

  /** A gap: no frames came. */
  pause() {
    this.#times.push(performance.now() / 1000);
    this.#ages.push(null);
    this.#age = 0;
    $('age').textContent = '–';
  }
}

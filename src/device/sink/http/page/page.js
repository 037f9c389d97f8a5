// upres live: reads frames as they come, shows the newest, never lets any queue up.

import { Choices, Chart, write } from './figures.js';
import { Records } from './records.js';
import { Stage } from './stage.js';

const $ = (id) => document.getElementById(id);
const stage = new Stage();
const chart = new Chart();
const choices = new Choices();
const SILENCE = 7000;
const LONGEST_WAIT = 8000;

let frozen = false;
/** What is on the canvas: its number and the file of the picture after. */
let current = null;
let pending = null;
let decoding = false;
/** What ends the reading of frames; null while there is no connection. */
let connection = null;

function status(state, text) {
  $('status').dataset.state = state;
  $('status').lastElementChild.textContent = text;
}

/** Lays a note over the picture, or takes it away. */
function away(title, why) {
  $('frame').classList.toggle('away', Boolean(title));
  if (!title) return;
  $('absent').querySelector('strong').textContent = title;
  $('absent').querySelector('p').textContent = why;
}

/** Decodes one frame at a time; of those that come meanwhile, only the newest is kept. */
async function decode(record) {
  pending = record;
  if (decoding) return;
  decoding = true;
  while (pending) {
    const next = pending;
    pending = null;
    try {
      await present(next);
    } catch (error) {
      console.warn('a frame could not be shown:', error);
    }
  }
  decoding = false;
}

async function present({ note, before, after }) {
  if (!note.live) {
    status('absent', 'no live video');
    if (!frozen) away('No live video', note.reason);
    chart.pause();
    return;
  }
  chart.add(note.age);
  status('live', 'live');
  if (frozen) return;
  const pictures = await Promise.all([before && createImageBitmap(before), createImageBitmap(after)]);
  // While it was decoded the viewer may have frozen the picture, or the connection may have ended: its note stays over the picture.
  if (frozen || !connection) return pictures.forEach((picture) => picture?.close());
  stage.show(...pictures);
  current = { number: note.number, after };
  $('snapshot').disabled = false;
  away('');
}

/** Reads frames until the connection ends. */
async function read() {
  connection = new AbortController();
  let watchdog = 0;
  const hush = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => connection?.abort(), SILENCE);
  };
  hush();
  try {
    const answer = await fetch('/frames', { signal: connection.signal, cache: 'no-store' });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error((await answer.text()).trim() || `status ${answer.status}`);
    const [reader, records] = [answer.body.getReader(), new Records()];
    let came = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return came;
      hush();
      const { newest } = records.push(value);
      if (newest) decode(newest);
      came ||= Boolean(newest);
    }
  } finally {
    clearTimeout(watchdog);
    connection = null;
    pending = null;
  }
}

const seconds = (time) => new Promise((resolve) => setTimeout(resolve, 1000 * time));

/** Connects, and connects again, a little later each time that it does not help. Hidden pages do not watch. */
async function watch() {
  let wait = 0.5;
  for (;;) {
    if (document.hidden) {
      await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
      continue;
    }
    let why = 'the device does not answer; trying again';
    try {
      if (await read()) wait = 0.5;
    } catch (error) {
      if (error.name !== 'AbortError' && error.name !== 'TypeError') why = error.message;
    }
    if (document.hidden) continue;
    status('lost', 'connection lost');
    if (!frozen) away('Connection lost', why);
    await seconds(wait);
    wait = Math.min(2 * wait, LONGEST_WAIT / 1000);
  }
}

async function figures() {
  for (;;) {
    if (!document.hidden) {
      try {
        const answer = await fetch('/state', { cache: 'no-store', signal: AbortSignal.timeout(4000) });
        if (answer.status === 401) return location.reload();
        if (answer.ok) write((await answer.json()).result, choices);
      } catch { /* the picture's connection tells */ }
    }
    await seconds(1);
  }
}

function toggle(id, change) {
  const button = $(id);
  button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', on);
    change(on);
  });
}

toggle('lens', (on) => { stage.lens = on; });
toggle('freeze', (on) => {
  frozen = on && Boolean(current);
  if (on && !frozen) $('freeze').setAttribute('aria-pressed', false);
  $('frozen').hidden = !frozen;
  if (frozen) away('');
});
$('snapshot').addEventListener('click', () => {
  if (!current) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(current.after);
  link.download = `upres-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}-${current.number}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  ({ l: () => $('lens').click(), f: () => $('freeze').click(), s: () => $('snapshot').click() })[event.key.toLowerCase()]?.();
});
document.addEventListener('visibilitychange', () => { if (document.hidden) connection?.abort(); });

away('Connecting', '');
watch();
figures();

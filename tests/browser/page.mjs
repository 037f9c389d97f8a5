// The page in a headless Chromium. Needs node, chromium, and playwright-core ('npm install' in this folder).
//
//   node page.mjs [--chromium PATH] [--shots FOLDER] -- COMMAND …
//
// COMMAND serves live pictures and prints a line with "serving on HOST:PORT" (UPRES_ADDRESS says where); a line on its standard input takes the camera
// away, and the next brings it back. Where UPRES_TOKEN stands in its environment, it asks for that.
// Without COMMAND, the ignored test 'serve' of tests/http_live.rs is built and run.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const TOKEN = 'the token of the page tests';
const ROOT = new URL('../..', import.meta.url).pathname;

/** Builds the test that serves, and says how it is run: by itself, so that it can be ended. */
function builtServer() {
  const flags = ['test', '--release', '--features', 'host', '--test', 'http_live', '--no-run', '--message-format=json'];
  const lines = execFileSync('cargo', flags, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }).toString();
  const built = lines.split('\n').filter(Boolean).map((line) => JSON.parse(line)).findLast((message) => message.executable && message.target.name === 'http_live');
  return [built.executable, '--ignored', '--exact', 'serve', '--nocapture'];
}

function options() {
  const [own, command] = [process.argv.slice(2), []];
  const at = own.indexOf('--');
  if (at >= 0) command.push(...own.splice(at).slice(1));
  const value = (name, other) => (own.includes(name) ? own[own.indexOf(name) + 1] : other);
  return { chromium: value('--chromium', '/usr/bin/chromium'), shots: value('--shots', null), command: command.length ? command : builtServer() };
}

/** Starts the server; gives its address and a way to take the camera away and back. */
async function serve(command, token, at = '127.0.0.1:0') {
  const environment = { ...process.env, UPRES_SERVE: '300', UPRES_ADDRESS: at };
  if (token) environment.UPRES_TOKEN = token;
  const child = spawn(command[0], command.slice(1), { cwd: ROOT, env: environment, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      const found = /(?:serving on |http:\/\/)([^\s\/]+:\d+)/.exec(line);
      if (found) resolve(`http://${found[1]}`);
    });
    ended.then(() => reject(new Error('the server ended before it served')));
  });
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  return { address, toggle: () => child.stdin.write('camera\n'), stop };
}

/** The canvas's pixels, thinned out. */
const pixels = (page) => page.evaluate(() => {
  const canvas = document.getElementById('canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({ length: 4000 }, (_, i) => data[4 * Math.floor((i * data.length) / 16000)]);
});

const differing = (a, b) => a.filter((value, i) => Math.abs(value - b[i]) > 4).length / a.length;
const status = (page, state) => page.waitForSelector(`#status[data-state=${state}]`, { timeout: 30000 });
const shot = async (page, folder, name) => folder && page.screenshot({ path: `${folder}/${name}.png` });

/** Waits until the picture differs from what it was. */
async function moves(page, what) {
  const first = await pixels(page);
  for (let i = 0; i < 100; i++) {
    await page.waitForTimeout(100);
    if (differing(first, await pixels(page)) > 0.02) return;
  }
  assert.fail(`${what}: the picture does not move`);
}

async function sliderWorks(page) {
  const now = () => page.getAttribute('#divider', 'aria-valuenow').then(Number);
  assert.equal(await now(), 50);
  await page.focus('#divider');
  await page.keyboard.press('ArrowRight');
  assert.equal(await now(), 52);
  await page.keyboard.press('Home');
  assert.equal(await now(), 0);
  const after = await pixels(page);
  await page.keyboard.press('End');
  assert.equal(await now(), 100);
  await page.waitForTimeout(200);
  const before = await pixels(page);
  assert.ok(differing(after, before) > 0.02, 'before and after look alike');
  const handle = await page.locator('#divider i').boundingBox();
  const frame = await page.locator('#frame').boundingBox();
  await page.mouse.move(handle.x + handle.width / 2 - 12, handle.y + handle.height / 2);
  await page.mouse.down();
  await page.mouse.move(frame.x + frame.width * 0.3, frame.y + 40, { steps: 8 });
  await page.mouse.up();
  assert.equal(await now(), 30);
}

async function freezeAndLens(page, folder) {
  await page.focus('#canvas');
  await page.keyboard.press('f');
  await page.waitForSelector('#freeze[aria-pressed=true]');
  await page.waitForTimeout(300);
  const held = await pixels(page);
  await page.waitForTimeout(700);
  assert.equal(differing(held, await pixels(page)), 0, 'a frozen picture moved');
  await page.click('#lens');
  const frame = await page.locator('#frame').boundingBox();
  await page.mouse.move(frame.x + frame.width * 0.66, frame.y + frame.height * 0.45, { steps: 3 });
  await page.waitForTimeout(200);
  assert.ok(differing(held, await pixels(page)) > 0.01, 'there is no lens');
  await shot(page, folder, 'lens');
  await page.click('#lens');
  await page.click('#freeze');
  await moves(page, 'after freezing');
}

async function snapshotIsSaved(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#snapshot')]);
  assert.match(download.suggestedFilename(), /^upres-.*-\d+\.jpg$/);
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  const file = Buffer.concat(chunks);
  assert.ok(file.length > 1000 && file[0] === 0xff && file[1] === 0xd8, 'the snapshot is no JPEG file');
}

async function modelChanges(page, address) {
  const state = async () => (await (await page.request.get(`${address}/state`)).json()).result.upres;
  const { models, model } = await state();
  const other = models.find((name) => name !== model);
  await page.selectOption('#model', other);
  for (let i = 0; (await state()).model !== other; i++) {
    assert.ok(i < 100, `the model is still ${(await state()).model}`);
    await page.waitForTimeout(100);
  }
  await page.waitForFunction((name) => document.getElementById('model').value === name, other);
}

async function cameraGoesAndComes(page, server, folder) {
  server.toggle();
  await status(page, 'absent');
  await page.waitForSelector('#absent', { state: 'visible' });
  await page.waitForTimeout(500);
  assert.match(await page.textContent('#absent p'), /\S/, 'no reason is given');
  await shot(page, folder, 'absent');
  const jpeg = await (await page.request.get(`${server.address}/snapshot`)).body();
  assert.ok(jpeg[0] === 0xff && jpeg[1] === 0xd8);
  server.toggle();
  await status(page, 'live');
  await page.waitForSelector('#absent', { state: 'hidden' });
  await moves(page, 'after the camera came back');
}

/** The device is started anew while a page is open; gives the new server. A picture takes the viewer long, so one is being decoded then. */
async function deviceRestarts(page, server, command) {
  await page.evaluate(() => {
    const decode = window.createImageBitmap;
    window.createImageBitmap = (file) => new Promise((resolve) => setTimeout(resolve, 200)).then(() => decode(file));
    const [{ dataset }, { classList }] = [document.getElementById('status'), document.getElementById('frame')];
    window.uncovered = 0;
    const look = () => { window.uncovered += Number(dataset.state === 'lost' && !classList.contains('away')); };
    new MutationObserver(look).observe(document.body, { attributes: true, subtree: true, attributeFilter: ['class', 'data-state'] });
  });
  await server.stop();
  await status(page, 'lost');
  await page.waitForSelector('#absent', { state: 'visible' });
  await page.waitForTimeout(400);
  assert.equal(await page.evaluate(() => window.uncovered), 0, 'a late picture took the note away');
  const again = await serve(command, null, new URL(server.address).host);
  await status(page, 'live');
  await moves(page, 'after the device came back');
  return again;
}

async function tokenIsAsked(browser, server, folder) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
  const answer = await page.goto(server.address);
  assert.equal(answer.status(), 401);
  assert.equal((await page.request.get(`${server.address}/snapshot`)).status(), 401);
  await page.fill('#token', 'a wrong token, of some length');
  await page.click('button');
  await page.waitForSelector('.alarm:not(:empty)');
  await shot(page, folder, 'login');
  await page.fill('#token', TOKEN);
  await page.click('button');
  await status(page, 'live');
  const cookies = await page.context().cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict' && !cookie.value.includes(TOKEN)));
  await page.reload();
  await status(page, 'live');
  assert.equal((await page.request.get(`${server.address}/snapshot`)).status(), 200);
  await page.close();
}

async function withoutScript(browser, server) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(server.address, { waitUntil: 'commit' });
  const image = page.locator('noscript img, img.plain');
  await image.waitFor({ timeout: 20000 });
  assert.equal(await image.getAttribute('src'), '/stream');
  await context.close();
}

async function onAPhone(browser, server, folder) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  const page = await context.newPage();
  await page.goto(server.address);
  await status(page, 'live');
  await page.waitForTimeout(2500);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `the page is ${wide} pixels wide`);
  const button = await page.locator('#freeze').boundingBox();
  assert.ok(button.width >= 38 && button.height >= 38, 'a button is too small for a finger');
  await shot(page, folder, 'phone');
  await context.close();
}

async function main() {
  const { chromium: executablePath, shots, command } = options();
  if (shots) mkdirSync(shots, { recursive: true });
  const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const browser = await chromium.launch({ executablePath, headless: true, args: flags });
  const step = async (what, work) => {
    await work();
    console.log(`ok: ${what}`);
  };
  let server = null;
  try {
    server = await serve(command, null);
    const page = await browser.newPage({ viewport: { width: 1440, height: 860 } });
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // Reading pixels back is our doing, not the page's.
      if (['error', 'warning'].includes(message.type()) && !message.text().includes('readback')) complaints.push(message.text());
    });
    await page.goto(server.address);
    await step('a live picture', () => status(page, 'live'));
    await step('it moves', () => moves(page, 'live'));
    await step('the slider, by key and by pointer', () => sliderWorks(page));
    await page.waitForTimeout(12000);
    await shot(page, shots, 'desktop');
    await step('freeze and lens', () => freezeAndLens(page, shots));
    await step('a snapshot is saved', () => snapshotIsSaved(page));
    await step('another model', () => modelChanges(page, server.address));
    await step('the camera away and back', () => cameraGoesAndComes(page, server, shots));
    assert.deepEqual(complaints, [], 'the page complained');
    await step('the device started anew', async () => { server = await deviceRestarts(page, server, command); });
    await page.close();
    await step('on a phone', () => onAPhone(browser, server, shots));
    await step('without JavaScript', () => withoutScript(browser, server));
    await server.stop();
    server = await serve(command, TOKEN);
    await step('the token, refused and accepted', () => tokenIsAsked(browser, server, shots));
  } finally {
    await server?.stop();
    await browser.close();
  }
}

await main();

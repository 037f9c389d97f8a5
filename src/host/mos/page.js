"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const words = ["bad", "poor", "fair", "good", "excellent"];
  const raters = data.orders.length;
  const views = ["start", "calibrate", "rate", "end"];
  const $ = (id) => document.getElementById(id);
  const png = (text) => "data:image/png;base64," + text;
  // A grey moment between two pictures: versions of one scene are not to be told apart by their flicker.
  const pause = 300;

  let rater = 0;
  let order = [];
  // seen: calibration pairs looked at; at: place in the order; ratings: by code.
  let state = null;
  let view = "start";
  let zoom = 1;
  // Whether the picture is on the screen: only then does a key rate it.
  let ready = false;
  let shown = 0;

  const place = (number) => "upres-mos-" + data.page + "-" + number;

  function kept(number) {
    const fresh = { seen: 0, at: 0, ratings: {} };
    try {
      const old = JSON.parse(localStorage.getItem(place(number)));
      if (old === null || typeof old.ratings !== "object" || !(old.at >= 0 && old.at <= data.items.length)) return fresh;
      return { seen: Math.min(old.seen || 0, data.calibration.length), at: Math.floor(old.at), ratings: old.ratings };
    } catch {
      return fresh;
    }
  }

  function keep() {
    try {
      localStorage.setItem(place(rater), JSON.stringify(state));
    } catch {
      $("unsaved").hidden = false;
    }
  }

  function show(name) {
    view = name;
    for (const other of views) $(other).hidden = other !== name;
  }

  // One pixel of the picture is one pixel of the screen, or two where zoomed.
  function fit() {
    for (const image of [$("low"), $("high"), $("picture")]) {
      image.style.width = image.naturalWidth ? (image.naturalWidth * zoom) / (window.devicePixelRatio || 1) + "px" : "";
    }
    for (const button of document.querySelectorAll("[data-act=zoom]")) button.setAttribute("aria-pressed", zoom === 2);
  }

  async function load(image, source) {
    image.src = source;
    try {
      await image.decode();
    } catch {
      // Shown as far as the browser can; the rater sees that something is wrong.
    }
  }

  async function calibrate() {
    if (state.seen >= data.calibration.length) return rateNext();
    show("calibrate");
    const [low, high] = data.calibration[state.seen];
    $("pair").textContent = "Example " + (state.seen + 1) + " of " + data.calibration.length;
    document.querySelector("#calibrate [data-act=back]").disabled = state.seen === 0;
    $("next").textContent = state.seen + 1 < data.calibration.length ? "Next" : "Start rating";
    await Promise.all([load($("low"), png(low)), load($("high"), png(high))]);
    fit();
    $("next").focus();
  }

  async function rateNext() {
    if (state.at >= order.length) return finish();
    show("rate");
    ready = false;
    const turn = ++shown;
    const [code, picture] = data.items[order[state.at]];
    const done = order.filter((index) => data.items[index][0] in state.ratings).length;
    $("bar").max = order.length;
    $("bar").value = done;
    $("count").textContent = "Picture " + (state.at + 1) + " of " + order.length;
    const image = $("picture");
    image.style.visibility = "hidden";
    for (const button of $("marks").children) {
      button.setAttribute("aria-pressed", Number(button.value) === state.ratings[code]);
    }
    await Promise.all([load(image, png(picture)), new Promise((after) => setTimeout(after, pause))]);
    if (turn !== shown) return;
    fit();
    image.style.visibility = "visible";
    ready = true;
  }

  function rate(mark) {
    if (!ready) return;
    state.ratings[data.items[order[state.at]][0]] = mark;
    state.at += 1;
    keep();
    rateNext();
  }

  function next() {
    if (view === "calibrate") {
      state.seen += 1;
      keep();
      calibrate();
    } else if (view === "rate" && ready && data.items[order[state.at]][0] in state.ratings) {
      state.at += 1;
      keep();
      rateNext();
    }
  }

  function back() {
    if (view === "calibrate") {
      state.seen = Math.max(0, state.seen - 1);
      calibrate();
    } else if (state.at > 0) {
      state.at -= 1;
      keep();
      rateNext();
    } else {
      state.seen = Math.max(0, data.calibration.length - 1);
      calibrate();
    }
  }

  const name = () => "ratings-" + String(rater).padStart(2, "0") + ".json";

  function text() {
    const ratings = {};
    for (const [code] of data.items) if (code in state.ratings) ratings[code] = state.ratings[code];
    return JSON.stringify({ format: "upres mos ratings 1", page: data.page, rater, ratings }, null, 1) + "\n";
  }

  function finish() {
    shown += 1;
    ready = false;
    show("end");
    $("file").textContent = name();
    $("copy").value = text();
    $("save").focus();
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text()], { type: "application/json" }));
    link.download = name();
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function chosen(number) {
    const old = kept(number);
    const done = Object.keys(old.ratings).length;
    $("begin").textContent = done > 0 ? "Go on: " + done + " of " + data.items.length + " are rated" : "Begin";
  }

  function start() {
    for (let number = 1; number <= raters; number++) $("number").add(new Option(String(number), String(number)));
    const asked = new URLSearchParams(location.search).get("rater");
    if (asked !== null && /^\d+$/.test(asked) && Number(asked) >= 1 && Number(asked) <= raters) {
      $("number").value = String(Number(asked));
      $("choose").hidden = true;
      $("given").hidden = false;
      $("given").textContent = "You are rater " + Number(asked) + ".";
      chosen(Number(asked));
    }
    try {
      localStorage.setItem("upres-mos", "1");
    } catch {
      $("unsaved").hidden = false;
    }
    $("number").addEventListener("change", () => chosen(Number($("number").value)));
    $("who").addEventListener("submit", (event) => {
      event.preventDefault();
      rater = Number($("number").value);
      order = data.orders[rater - 1];
      state = kept(rater);
      calibrate();
    });
    words.forEach((word, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = String(index + 1);
      button.innerHTML = "<b>" + (index + 1) + "</b>" + word;
      button.addEventListener("click", () => {
        button.blur();
        rate(index + 1);
      });
      $("marks").append(button);
    });
    show("start");
  }

  const acts = {
    back,
    next,
    zoom: () => {
      zoom = 3 - zoom;
      fit();
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) acts[button.dataset.act]();
  });
  $("save").addEventListener("click", save);
  window.addEventListener("resize", fit);
  window.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (view !== "rate" && view !== "calibrate") return;
    if (view === "rate" && /^[1-5]$/.test(event.key)) rate(Number(event.key));
    else if (event.key === "ArrowLeft" || event.key === "Backspace") back();
    else if (event.key === "ArrowRight") next();
    else if (event.key === "z") acts.zoom();
    else return;
    event.preventDefault();
  });
  start();
})();

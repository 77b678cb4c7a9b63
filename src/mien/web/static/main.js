// The page: tabs, what is dropped or pasted, colours, and whether the recogniser is there.

import { createCamera } from "./camera.js";
import { createPictures } from "./pictures.js";
import { createReading } from "./reading.js";
import { create } from "./recogniser.js";
import { followTheme } from "./theme.js";
import { createVideos } from "./videos.js";

const element = (id) => document.getElementById(id);
const RETRY_MS = 2000;

function link(state, text) {
  element("link").dataset.state = state;
  element("link-text").textContent = text;
}

let silence = 0;
function toast(text) {
  element("toast").textContent = text;
  element("toast").hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => (element("toast").hidden = true), 7000);
}

/** Ask for the server's key; resolves when there is one. */
function askKey() {
  const dialog = element("key");
  element("key-value").value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => (element("key-value").value ? resolve(element("key-value").value) : dialog.showModal());
  });
}

/** The recogniser, as soon as it is there. */
async function patientlyCreated() {
  for (;;) {
    try {
      return await create({ askKey, onLink: (up) => (up ? link("ready", "ready") : link("lost", "no connection")) });
    } catch (error) {
      link("lost", error.short ?? "no connection");
      element("reading-note").textContent = error.message;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function tabs(parts) {
  const buttons = [...document.querySelectorAll('[role="tab"]')].filter((tab) => !tab.hidden);
  let now = null;

  function open(tab, focus = false) {
    const name = tab.getAttribute("aria-controls");
    if (name === now) return;
    parts[now]?.leave();
    now = name;
    for (const each of buttons) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", String(chosen));
      each.tabIndex = chosen ? 0 : -1;
      element(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (focus) tab.focus();
    parts[name].enter();
  }

  buttons.forEach((tab, i) => {
    tab.onclick = () => open(tab);
    tab.onkeydown = ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const to = key === "Home" ? 0 : key === "End" ? buttons.length - 1 : step && (i + step + buttons.length) % buttons.length;
      if (to !== undefined) open(buttons[to], true);
    };
  });
  open(buttons[0]);
  return { open: (name) => open(element(`tab-${name}`)), now: () => now };
}

/** Files dropped anywhere or pasted go to the part that takes them. */
function takeFiles(parts, bar) {
  function give(files) {
    const videos = files.filter((file) => file.type.startsWith("video/"));
    const others = files.filter((file) => !file.type.startsWith("video/"));
    if (videos.length && parts.videos) {
      bar.open("videos");
      parts.videos.add(videos);
    } else if (videos.length) {
      toast("Videos need the mien server; here pictures and the camera work.");
    }
    if (others.length) {
      bar.open("pictures");
      parts.pictures.add(others);
    }
  }

  let depth = 0;
  const over = (on) => (element("drop").hidden = !on);
  document.addEventListener("dragenter", () => over(++depth > 0));
  document.addEventListener("dragleave", () => over(--depth > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    give([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => event.clipboardData?.files.length && give([...event.clipboardData.files]));
}

async function start() {
  followTheme(element("theme"));
  const recogniser = await patientlyCreated();
  link("ready", "ready");
  for (const part of document.querySelectorAll("[data-needs]")) part.hidden ||= !recogniser[part.dataset.needs];
  document.querySelectorAll('[role="tab"][data-needs]').forEach((tab) => (tab.hidden = !recogniser[tab.dataset.needs]));
  if (recogniser.liveHeat === false) element("camera-heat").closest("label").hidden = true;
  if (recogniser.privacy) element("privacy-text").textContent = recogniser.privacy;
  element("model-name").textContent = `Model: ${recogniser.name}.`;
  element("reading-note").textContent = "";
  const shared = { recogniser, reading: createReading(recogniser.labels), toast };
  const parts = { camera: createCamera(shared), pictures: createPictures(shared) };
  if (recogniser.videos) parts.videos = createVideos(shared);
  takeFiles(parts, tabs(parts));
  document.documentElement.dataset.ready = "true";
}

start();

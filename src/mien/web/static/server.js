// The recogniser behind this page: the mien server that sent it.

const LONGEST = 640; // pixels of a live frame's longer side; more costs time and finds no more of a face at a desk
const QUALITY = 0.8; // of its JPEG
const GIVE_UP_MS = 10_000; // of a live frame without an answer
const LAST_MS = 1000; // of an upload: the browser says late how far it is, and all of it may have been sent

/** What the server says when it cannot do what it was asked. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {{onLink?: (up: boolean) => void, askKey?: () => Promise<string>}} [options]
 *   onLink: told when the server is lost or found again; askKey: resolves to the server's key, if it wants one
 */
export async function create({ onLink = () => {}, askKey } = {}) {
  const client = { key: "", askKey, onLink };
  const about = await (await call(client, "models")).json();
  client.labels = about.labels;
  const stream = createStream(client);
  return {
    name: about.model,
    labels: about.labels,
    heat: true,
    liveHeat: about.live_heat,
    about,
    videos: videosOf(client, about),
    recognise: (source, options) =>
      options?.live ? stream.recognise(source, options) : recognisePicture(client, source, options),
    annotated: (file, { heat }) => annotatedPicture(client, file, heat),
    close: () => stream.close(),
  };
}

async function recognisePicture(client, source, { file, heat } = {}) {
  const began = performance.now();
  const body = new FormData();
  body.append("images", file ?? (await jpeg(source, Infinity, 0.92)).blob, file?.name ?? "picture.jpg");
  const answer = await (await call(client, `predict?heat=${heat ? "true" : "false"}`, { method: "POST", body })).json();
  const picture = answer.pictures[0];
  if (picture.error) throw new Refusal(200, picture.error);
  const faces = answer.rows.filter((row) => row.face_id !== null).map((row) => faceOf(row, answer.labels));
  (picture.heat ?? []).forEach((heat, i) => (faces[i].heat = unpacked(heat)));
  return { faces, width: picture.width, height: picture.height, ms: performance.now() - began, note: picture.note };
}

async function annotatedPicture(client, file, heat) {
  const body = new FormData();
  body.append("images", file, file.name);
  return (await call(client, `predict?annotated=true&heat=${heat}`, { method: "POST", body })).blob();
}

function faceOf(row, labels) {
  const { x1, y1, x2, y2, score, face_id, label } = row;
  return { x1, y1, x2, y2, score, face_id, label, p: Object.fromEntries(labels.map((each) => [each, row[`p_${each}`]])) };
}

/** A heat map as `drawHeat` takes it. */
function unpacked({ values, ...rest }) {
  return { ...rest, values: Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0)) };
}

// Requests ----------------------------------------------------------------------------------------------------------

async function call(client, path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...keyHeader(client) } });
    } catch {
      client.onLink(false);
      throw new Refusal(0, "The server does not answer. Is it still running?");
    }
    if (answer.status === 401 && client.askKey) {
      client.key = await client.askKey();
      continue;
    }
    client.onLink(true);
    if (!answer.ok) throw new Refusal(answer.status, await reason(answer));
    return answer;
  }
}

function keyHeader(client) {
  return client.key ? { "X-API-Key": client.key } : {};
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `The server answered ${answer.status}.`;
  }
}

// Live frames -------------------------------------------------------------------------------------------------------

/** Frames go out as JPEG and come back as faces over one WebSocket, opened at the first and again when it was lost. */
function createStream(client) {
  let socket = null;
  let sent = 0; // frames on this socket
  let heatOn = false;
  let waiting = []; // {number, scale, resolve, reject, began} of frames without an answer

  async function recognise(source, { heat = false, timeMs = performance.now() }) {
    const { blob, scale, width, height } = await jpeg(source, LONGEST, QUALITY);
    await open();
    if (heat !== heatOn) {
      socket.send(JSON.stringify({ heat }));
      heatOn = heat;
    }
    return new Promise((resolve, reject) => {
      const entry = { number: sent++, scale, width, height, resolve, reject, began: performance.now() };
      entry.alarm = setTimeout(() => socket?.close(), GIVE_UP_MS);
      waiting.push(entry);
      socket.send(blob);
    });
  }

  function open() {
    if (socket?.readyState === WebSocket.OPEN) return Promise.resolve();
    if (socket?.opening) return socket.opening;
    const url = new URL("stream", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url, ["mien", ...(client.key ? [`mien.key.${packed(client.key)}`] : [])]);
    [sent, heatOn] = [0, false];
    const mine = socket;
    mine.opening = new Promise((resolve, reject) => {
      mine.onopen = () => {
        client.onLink(true);
        resolve();
      };
      mine.onclose = (event) => {
        const why = new Refusal(event.code, event.reason || "The server does not answer. Is it still running?");
        reject(why);
        if (event.code !== 1000) client.onLink(false);
        waiting.splice(0).forEach((entry) => settle(entry, entry.reject, why));
        if (socket === mine) socket = null;
      };
    });
    mine.onmessage = ({ data }) => answered(JSON.parse(data));
    return mine.opening;
  }

  function answered(answer) {
    if (answer.frame === undefined) return;
    while (waiting.length && waiting[0].number <= answer.frame) {
      const entry = waiting.shift();
      settle(entry, entry.resolve, entry.number === answer.frame ? resultOf(answer, entry, client.labels) : null);
    }
  }

  function settle(entry, how, value) {
    clearTimeout(entry.alarm);
    how(value);
  }

  return { recognise, close: () => socket?.close(1000) };
}

function resultOf(answer, { scale, width, height, began }, labels) {
  if (answer.error) return null; // a frame that could not be read: the next one comes soon
  const faces = answer.rows.filter((row) => row.face_id !== null).map((row) => faceOf(row, labels));
  faces.forEach((face) => ["x1", "y1", "x2", "y2"].forEach((side) => (face[side] /= scale)));
  (answer.heat ?? []).forEach((heat, i) => {
    faces[i].heat = { ...unpacked(heat), x: heat.x / scale, y: heat.y / scale, side: heat.side / scale };
  });
  return { faces, width, height, ms: performance.now() - began, dropped: answer.dropped };
}

/** Base64 as a WebSocket's subprotocol may hold it. */
function packed(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

let sheet = null; // one canvas for all frames

/** The source as a JPEG whose longer side is at most `longest`. */
async function jpeg(source, longest, quality) {
  const width = source.videoWidth || source.width;
  const height = source.videoHeight || source.height;
  const scale = Math.min(1, longest / Math.max(width, height));
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (sheet?.width !== w || sheet?.height !== h) sheet = new OffscreenCanvas(w, h);
  sheet.getContext("2d", { alpha: false }).drawImage(source, 0, 0, w, h);
  return { blob: await sheet.convertToBlob({ type: "image/jpeg", quality }), scale, width, height };
}

// Videos ------------------------------------------------------------------------------------------------------------

function videosOf(client, about) {
  return {
    mostBytes: about.limits.video_bytes,
    mostSeconds: about.limits.video_seconds,

    /**
     * Upload a video; resolves to its job. `onUpload` is told the share sent so far. `signal` aborts it, but for its
     * last second: the server may have the whole video then, and a job that only its id can stop.
     */
    submit: (file, { onUpload, signal }) => upload(client, file, onUpload, signal),

    /** State of a job: {state, frames, total, error}. */
    state: async (id) => (await call(client, `jobs/${id}`)).json(),

    /** The table of a finished job: rows, or a Blob of csv. */
    rows: async (id) => (await call(client, `jobs/${id}/table?format=json`)).json(),
    csv: async (id) => (await call(client, `jobs/${id}/table?format=csv`)).blob(),

    remove: (id) => call(client, `jobs/${id}`, { method: "DELETE" }),
  };
}

/** fetch tells nothing of how far an upload is; XMLHttpRequest does. */
function upload(client, file, onUpload, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "videos");
    for (const [name, value] of Object.entries(keyHeader(client))) request.setRequestHeader(name, value);
    request.responseType = "json";
    const began = performance.now();
    request.upload.onprogress = ({ loaded, total }) => {
      onUpload(loaded / total);
      const leftMs = ((performance.now() - began) * (total - loaded)) / loaded;
      if (signal.aborted && leftMs > LAST_MS) request.abort();
    };
    request.onload = () =>
      request.status === 202
        ? resolve(request.response)
        : reject(new Refusal(request.status, request.response?.error ?? `The server answered ${request.status}.`));
    request.onerror = () => reject(new Refusal(0, "The upload broke off: the server does not answer, or the video is too large."));
    request.onabort = () => reject(new Refusal(0, "cancelled"));
    const body = new FormData();
    body.append("video", file, file.name);
    request.send(body);
  });
}

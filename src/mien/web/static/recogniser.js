// Where the page's recogniser comes from: here the server. The exported page has another file of this name.
//
// create(options) resolves to
//   name      of the model
//   labels    of its emotions, in its order
//   heat      whether it can say where it looked (a face then has `heat`, see heat.js)
//   videos    what takes whole videos (see server.js), or undefined: then the page has no such part
//   privacy   one sentence for the foot of the page, or undefined
//   async recognise(source, {timeMs, live, heat, file}) resolves to
//             {faces: [{x1, y1, x2, y2, score, face_id, p: {label: share}, label, heat}], width, height, ms}
//             with boxes in pixels of the source, or to null where the frame was dropped for a newer one.
//             source: HTMLVideoElement | ImageBitmap | HTMLCanvasElement; of pictures the file it came from, too.
//             live: frames of one camera follow each other, and a face keeps its face_id.
//   close()

export { create } from "./server.js";

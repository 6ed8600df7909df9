// Smooth live video of one camera: what the camera sends, played by the browser itself (Media Source Extensions), and
// what was found in it, in time with it. Comes again by itself; says in a sentence why where it cannot.

import { url } from "./api.js";

const Source = window.ManagedMediaSource ?? window.MediaSource;
const LEAST_BEHIND_S = 0.5, MOST_BEHIND_S = 2.5, MARGIN_S = 0.2;  // behind the newest picture that has come
const JUMP_S = 2.5;  // further behind than this, nobody waits for a faster playback to catch up
const KEPT_S = 8;
const SLOW_ENDS = 4, SLOW_WITHIN_MS = 30000;

export const playsVideo = () => Boolean(Source);

export class LiveVideo {
  // on: begins(size), found(body), over(), refused(sentence, comesAgain)
  constructor(name, element, on) {
    Object.assign(this, { name, element, on });
    this.closed = false;
    this.ends = [];
    this.shownFrom = () => this.visible();
    document.addEventListener("visibilitychange", this.shownFrom);
    this.timer = setInterval(() => this.keepUp(), 200);
    this.visible();
  }

  close() {
    this.closed = true;
    this.controller?.abort();
    clearInterval(this.timer);
    clearTimeout(this.again);
    document.removeEventListener("visibilitychange", this.shownFrom);
    this.forget();
  }

  // Nothing is sent to a page that nobody sees.
  visible() {
    if (document.hidden) {
      clearTimeout(this.again);
      this.controller?.abort();
    } else if (!this.reading) this.read();
  }

  async read() {
    if (this.reading || this.closed || document.hidden) return;
    this.reading = true;
    this.controller = new AbortController();
    let waitMs = 300;
    try {
      const answer = await fetch(url`/api/cameras/${this.name}/video`, { signal: this.controller.signal });
      if (!answer.ok) {
        const sentence = (await answer.json().catch(() => ({}))).detail ?? `the service answered ${answer.status}`;
        const comesAgain = answer.status >= 500 || answer.status === 429;
        this.on.refused(sentence, comesAgain);
        if (!comesAgain) return this.close();
        waitMs = 1000 * (Number(answer.headers.get("Retry-After")) || 3);
      } else {
        await this.messages(answer.body.getReader());
        waitMs = this.tooSlow() ? 10000 : 300;
      }
    } catch (error) {
      if (error instanceof CannotPlay) {
        this.on.refused(error.message, false);
        this.close();
        return;
      }
      waitMs = 1500;  // the service is away, or this page is going
    } finally {
      this.controller.abort();
      this.reading = false;
    }
    if (this.closed || document.hidden) return;
    this.on.over();
    this.again = setTimeout(() => this.read(), waitMs);
  }

  tooSlow() {
    const now = performance.now();
    this.ends = [...this.ends.filter(then => now - then < SLOW_WITHIN_MS), now];
    if (this.ends.length < SLOW_ENDS) return false;
    this.on.refused("the video was interrupted again and again", true);
    this.ends = [];
    return true;
  }

  async messages(reader) {
    let held = new Uint8Array(0), wanted = 5;
    const parts = [];
    let size = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parts.push(value);
      size += value.length;
      if (size < wanted) continue;  // a large picture comes in many pieces: put together once
      held = joined(parts, size);
      let at = 0;
      for (;;) {
        wanted = 5;
        if (held.length - at < 5) break;
        const length = new DataView(held.buffer, held.byteOffset + at).getUint32(1);
        wanted = 5 + length;
        if (held.length - at < wanted) break;
        this.message(String.fromCharCode(held[at]), held.slice(at + 5, at + wanted));
        at += wanted;
      }
      held = held.subarray(at);
      parts.length = 0;
      parts.push(held);
      size = held.length;
    }
  }

  message(kind, content) {
    if (kind === "v") return this.append(content);
    const body = JSON.parse(new TextDecoder().decode(content));
    if (kind === "h") this.begin(body);
    else if (kind === "t" && body.edge_s !== undefined) this.time = { ...body, at: performance.now() };
    else if (kind === "s") {
      // The picture must not be shown before what was found in it has come: as far behind as that is.
      this.late = Math.max((this.late ?? 0) * 0.98, this.edge === undefined ? 0 : this.edge - body.at_s);
      this.on.found(body);
    }
  }

  begin({ codec, size }) {
    const type = `video/mp4; codecs="${codec}"`;
    if (!Source?.isTypeSupported(type))
      throw new CannotPlay(`this browser does not play ${codec.startsWith("hvc1") ? "H.265" : "H.264"} (${codec})`);
    this.forget();
    const source = new Source(), queue = [];
    this.stretch = { source, queue, buffer: null, playing: false };
    const stretch = this.stretch;
    source.addEventListener("sourceopen", () => {
      if (this.stretch !== stretch) return;
      URL.revokeObjectURL(this.address);
      stretch.buffer = source.addSourceBuffer(type);
      stretch.buffer.addEventListener("updateend", () => this.appended(stretch));
      stretch.buffer.addEventListener("error", () => this.failed(stretch));
      this.feed(stretch);
    }, { once: true });
    this.element.disableRemotePlayback = true;
    this.element.onerror = () => this.failed(stretch);
    this.address = URL.createObjectURL(source);
    this.element.src = this.address;
    this.on.begins(size);
  }

  append(content) {
    this.stretch.queue.push(content);
    this.feed(this.stretch);
  }

  feed(stretch) {
    const { buffer, queue, source } = stretch;
    if (!buffer || buffer.updating || !queue.length || this.stretch !== stretch || source.readyState !== "open") return;
    const content = queue.length > 1 ? joined(queue, queue.reduce((sum, each) => sum + each.length, 0)) : queue[0];
    queue.length = 0;
    try {
      buffer.appendBuffer(content);
    } catch {
      this.failed(stretch);
    }
  }

  appended(stretch) {
    if (this.stretch !== stretch) return;
    const { buffer, playing } = stretch;
    const ranges = buffer.buffered;
    if (ranges.length) {
      this.edge = ranges.end(ranges.length - 1);
      if (!playing) {
        stretch.playing = true;
        this.element.currentTime = Math.max(ranges.start(0), this.edge - this.behind);
        this.element.play().catch(() => {});
      }
      const old = this.element.currentTime - KEPT_S;
      if (ranges.start(0) < old - KEPT_S && !buffer.updating) buffer.remove(0, old);
    }
    this.feed(stretch);
  }

  // Trouble with what came: the stream is opened anew, and begins with a key frame.
  failed(stretch) {
    if (this.stretch === stretch) this.controller?.abort();
  }

  get behind() {
    return Math.min(MOST_BEHIND_S, Math.max(LEAST_BEHIND_S, (this.late ?? 0) + MARGIN_S));
  }

  // How old the picture is that is shown now, in seconds; null where the service has not said when pictures were taken.
  get age() {
    return this.time ? Math.max(0, this.time.age_s + (performance.now() - this.time.at) / 1000 - (this.element.currentTime - this.time.edge_s)) : null;
  }

  keepUp() {
    const { element, stretch } = this;
    if (!stretch?.playing || this.edge === undefined) return;
    const ranges = element.buffered, last = ranges.length - 1;
    if (last < 0) return;
    const behind = this.edge - element.currentTime, wanted = this.behind;
    const stuckBefore = element.currentTime < ranges.start(last) && element.readyState < 3;  // a hole, or what was removed
    if (behind > wanted + JUMP_S || stuckBefore)
      element.currentTime = Math.max(ranges.start(last), this.edge - wanted);
    const rate = behind > wanted + 0.6 ? 1.25 : behind > wanted + 0.15 ? 1.08 : behind < wanted - 0.25 ? 0.9 : 1;
    if (element.playbackRate !== rate) element.playbackRate = rate;
    if (element.paused) element.play().catch(() => {});
    element.dataset.behind = behind.toFixed(2);
  }

  forget() {
    this.stretch = null;
    this.edge = this.time = this.late = undefined;
    this.element.onerror = null;
    if (this.address) URL.revokeObjectURL(this.address);
    this.element.removeAttribute("src");
  }
}

class CannotPlay extends Error {}

function joined(parts, size) {
  if (parts.length === 1) return parts[0];
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

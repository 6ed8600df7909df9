// What was found in a video's pictures, each drawn when its picture is shown; between two results, where things were
// on the way from one to the other.

const KEPT = 200;
const GOOD_FOR_S = 2;  // a result says nothing about pictures that come later than this
const NEAR_S = 0.025;
const BETWEEN_S = 1.2;

export class InTime {
  // onShown(body): the picture that belongs to it is shown now
  constructor(video, screen, onShown) {
    Object.assign(this, { video, screen, onShown });
    this.found = [];
    this.shown = null;
    this.over = false;
    this.next();
  }

  // A new stretch of video: times begin anew.
  begin(size) {
    this.clear();
    this.screen.show({ session: null, size, objects: [], media_s: 0 }, null);
  }

  add(body) {
    const at = this.found.findLastIndex(each => each.at_s <= body.at_s) + 1;
    this.found.splice(at, 0, body);
    if (this.found.length > KEPT) this.found.shift();
  }

  clear() {
    this.found = [];
    this.shown = null;
  }

  close() {
    this.over = true;
  }

  next() {
    if (this.over) return;
    const see = this.video.requestVideoFrameCallback
      ? done => this.video.requestVideoFrameCallback((_, { mediaTime }) => done(mediaTime))
      : done => requestAnimationFrame(() => done(this.video.currentTime));
    see(at_s => {
      if (this.over) return;
      this.picture(at_s);
      this.next();
    });
  }

  picture(at_s) {
    const at = this.found.findLastIndex(each => each.at_s <= at_s + NEAR_S);
    const last = this.found[at], next = this.found[at + 1];
    if (!last || at_s - last.at_s > GOOD_FOR_S) {
      if (this.shown) this.screen.show({ ...this.shown, objects: [] }, null);
      this.shown = null;
      return;
    }
    if (this.shown !== last) {
      this.screen.show(last, null);
      this.onShown(last);
    }
    this.shown = last;
    this.screen.canvas.dataset.apart = Math.round((at_s - last.at_s) * 1000);
    if (next && next.session === last.session && next.at_s - last.at_s < BETWEEN_S)
      this.screen.between(last, next, Math.max(0, at_s - last.at_s) / (next.at_s - last.at_s));
    if (at > 20) this.found.splice(0, at - 20);
  }
}

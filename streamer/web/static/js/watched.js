// One camera as large as it comes: as video with everything drawn over it in time, else as analysed pictures, and then
// in a sentence why.

import { h } from "./dom.js";
import { InTime } from "./in_time.js";
import { Live } from "./live.js";
import { LiveVideo, playsVideo } from "./video.js";
import { inView, sentence, span, troubleOf } from "./words.js";

export class Watched {
  // screen: whose canvas lies over the video; why: where the sentence goes; on: size([w, h]), words(text)
  constructor(name, screen, why, on) {
    Object.assign(this, { name, screen, why, on });
    this.element = h("video", { "aria-label": `Live video of ${name}`, muted: true, playsinline: true, autoplay: true });
    this.element.muted = true;  // the attribute alone does not count for elements that scripts make
    this.inTime = new InTime(this.element, screen, body => this.shown(body));
    if (!playsVideo()) return this.pictures("this browser cannot play video that does not end");
    this.video = new LiveVideo(name, this.element, {
      begins: size => this.begins(size),
      found: body => this.inTime.add(body),
      over: () => this.inTime.clear(),
      refused: why => this.pictures(why),
    });
  }

  begins(size) {
    this.live?.close();
    this.live = null;
    this.why.hidden = true;
    this.screen.forget();
    this.inTime.begin(size);
    this.on.size(size);
  }

  shown(body) {
    const age = this.video.age;
    this.on.words(`${inView(body.objects)} · video${age === null ? "" : ` ${span(age)} old`}`);
    if (age !== null) this.element.dataset.age = age.toFixed(2);
  }

  pictures(why) {
    this.inTime.clear();
    this.why.textContent = `Pictures instead of video. ${sentence(troubleOf(why))}.`;
    this.why.hidden = false;
    if (this.live) return;
    this.live = new Live((body, bitmap) => {
      this.on.size(body.size);
      this.screen.show(body, bitmap);
      this.on.words(`${inView(body.objects)} · picture ${span(body.age_s)} old`);
    });
    this.live.watch([this.name], 1280, 12);
  }

  close() {
    this.video?.close();
    this.inTime.close();
    this.live?.close();
  }
}

// Live pictures of any number of cameras over one connection; each message holds a picture and what was found in it.

export class Live {
  constructor(onPicture) {
    this.onPicture = onPicture;
    this.wanted = "";
    this.over = false;
    this.controller = null;
  }

  watch(cameras, width, fps) {
    const wanted = cameras.length ? new URLSearchParams([...cameras.map(name => ["camera", name]), ["width", width], ["fps", fps]]).toString() : "";
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.controller?.abort();
    if (wanted) this.read(wanted);
  }

  close() {
    this.over = true;
    this.controller?.abort();
  }

  async read(wanted) {
    while (!this.over && this.wanted === wanted) {
      this.controller = new AbortController();
      try {
        const answer = await fetch(`/api/live?${wanted}`, { signal: this.controller.signal });
        if (!answer.ok) throw new Error(`${answer.status}`);
        await this.messages(answer.body.getReader());
      } catch {
        if (this.over || this.wanted !== wanted) return;
      }
      await new Promise(done => setTimeout(done, 1500));
    }
  }

  async messages(reader) {
    let held = new Uint8Array(0);
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const joined = new Uint8Array(held.length + value.length);
      joined.set(held);
      joined.set(value, held.length);
      held = joined;
      for (;;) {
        if (held.length < 8) break;
        const view = new DataView(held.buffer, held.byteOffset);
        const text = view.getUint32(0), picture = view.getUint32(4);
        if (held.length < 8 + text + picture) break;
        if (text) {
          const body = JSON.parse(decoder.decode(held.subarray(8, 8 + text)));
          const jpeg = new Blob([held.subarray(8 + text, 8 + text + picture)], { type: "image/jpeg" });
          createImageBitmap(jpeg).then(bitmap => this.over ? bitmap.close() : this.onPicture(body, bitmap), () => {});
        }
        held = held.subarray(8 + text + picture);
      }
    }
  }
}

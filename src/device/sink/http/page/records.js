// Records of /frames: three lengths (u32, high byte first), then a note in JSON, the picture before, the picture after.

const HEAD = 12;
const MOST = 64 << 20;

/** Takes a stream of bytes apart. Bytes are copied once, into a buffer that grows to the largest record. */
export class Records {
  #bytes = new Uint8Array(1 << 18);
  #start = 0;
  #end = 0;

  /** Appends what came; returns the newest whole record with a picture, and how many records there were. */
  push(chunk) {
    this.#append(chunk);
    let newest = null;
    let count = 0;
    for (let record; (record = this.#next()); count++) {
      if (record.after || record.note.live === false) newest = record;
    }
    // Only what is kept is copied out of the buffer.
    if (newest) {
      newest.before = newest.before && new Blob([newest.before.slice()], { type: 'image/jpeg' });
      newest.after = newest.after && new Blob([newest.after.slice()], { type: 'image/jpeg' });
    }
    return { newest, count };
  }

  #append(chunk) {
    const need = this.#end - this.#start + chunk.length;
    if (this.#end + chunk.length > this.#bytes.length) {
      const into = need > this.#bytes.length ? new Uint8Array(2 * need) : this.#bytes;
      into.set(this.#bytes.subarray(this.#start, this.#end));
      [this.#bytes, this.#start, this.#end] = [into, 0, need - chunk.length];
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #next() {
    const there = this.#end - this.#start;
    if (there < HEAD) return null;
    const view = new DataView(this.#bytes.buffer, this.#start, HEAD);
    const [note, before, after] = [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
    if (note > MOST || before > MOST || after > MOST) throw new Error('this is no stream of records');
    const whole = HEAD + note + before + after;
    if (there < whole) return null;
    const at = this.#start + HEAD;
    const part = (from, length) => (length ? this.#bytes.subarray(from, from + length) : null);
    this.#start += whole;
    return {
      note: JSON.parse(new TextDecoder().decode(part(at, note) ?? new Uint8Array())),
      before: part(at + note, before),
      after: part(at + note + before, after),
    };
  }
}

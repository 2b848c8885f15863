// Bytes of a file, read as they are needed, so that looking into a file of 100 GiB takes no more memory than
// its header.

const PIECE = 1 << 20

/** The file ends before what was to be read. */
export class Truncated extends Error {
  constructor() {
    super('the file ends too early')
  }
}

/** Reads little-endian values of a file one after the other. */
export class Window {
  #file
  #view = new DataView(new ArrayBuffer(0))
  #start = 0
  #position = 0
  #decoder = new TextDecoder()

  constructor(file) {
    this.#file = file
  }

  get position() {
    return this.#start + this.#position
  }

  /** Has at least `count` bytes at hand, from here on. Between two pieces others get to do something. */
  async need(count) {
    if (this.#view.byteLength - this.#position >= count) return
    const start = this.position
    if (start + count > this.#file.size) throw new Truncated()
    const end = Math.min(this.#file.size, start + Math.max(count, PIECE))
    this.#view = new DataView(await this.#file.slice(start, end).arrayBuffer())
    this.#start = start
    this.#position = 0
  }

  /** Goes on so many bytes further. */
  skip(count) {
    this.#position += count
  }

  /** Whether so many bytes are at hand, so that nothing has to be waited for. */
  has(count) {
    return this.#view.byteLength - this.#position >= count
  }

  u8 = () => this.#take(1, 'getUint8')
  i8 = () => this.#take(1, 'getInt8')
  u16 = () => this.#take(2, 'getUint16')
  i16 = () => this.#take(2, 'getInt16')
  u32 = () => this.#take(4, 'getUint32')
  i32 = () => this.#take(4, 'getInt32')
  f32 = () => this.#take(4, 'getFloat32')
  f64 = () => this.#take(8, 'getFloat64')
  // Lengths and counts are exact up to 2^53; a file with more is not one.
  u64 = () => Number(this.#take(8, 'getBigUint64'))
  i64 = () => Number(this.#take(8, 'getBigInt64'))

  text(length) {
    const bytes = new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#position, length)
    this.#position += length
    return this.#decoder.decode(bytes)
  }

  #take(size, read) {
    const value = this.#view[read](this.#position, true)
    this.#position += size
    return value
  }
}

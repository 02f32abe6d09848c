/** Chance from a seed: the same seed, the same draws, on every machine. */

/** A stream of draws (sfc32, http://pracrand.sourceforge.net). */
export class Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  /** Streams of one seed with different names are independent. */
  constructor(seed: number, name: string) {
    let hash = 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 2 ** 32) >>> 0
    this.#c = hash
    for (let i = 0; i < 12; i++) this.next()
  }

  /** From 0 up to, never reaching, 1. */
  next(): number {
    const t = (this.#a + this.#b + this.#count++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return (t >>> 0) / 2 ** 32
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  /** A whole number, small ones as likely as large ones: 1 to 10 comes as often as 100 to 1000. */
  scale(from: number, to: number): number {
    return Math.floor(from * (to / from) ** this.next())
  }

  /** True with a probability from 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(among: readonly T[]): T {
    return among[Math.floor(this.next() * among.length)]!
  }

  /** One of the names, as often as its weight says. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) if ((left -= weight) < 0) return name
    return entries.at(-1)![0]
  }

  /** A word of letters and digits. */
  word(length: number): string {
    return Array.from({ length }, () => this.int(0, 35).toString(36)).join('')
  }
}

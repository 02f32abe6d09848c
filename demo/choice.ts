/**
 * Which of its answers the agent gives to a question.
 *
 * @module
 */
import { FOOD, WEEKEND } from './answers.ts'
import { RAIN, SINTRA, TRAMS } from './more-answers.ts'
import type { Piece } from './pace.ts'

/** What a conversation begins with. The page offers the others as suggestions. */
export const FIRST_QUESTION =
  'We land in Lisbon on Friday at six and leave on Sunday night. Can you plan it for us?'

/** The answers by name, in the order in which they come when no question asks for a certain one. */
export const ANSWERS: Readonly<Record<string, readonly Piece[]>> = {
  weekend: WEEKEND,
  rain: RAIN,
  food: FOOD,
  trams: TRAMS,
  sintra: SINTRA,
}

/** Words that a question asks with, by answer; the most particular ones first. */
const WORDS: readonly (readonly [name: string, words: RegExp])[] = [
  ['sintra', /\b(sintra|cascais|beach\w*|sea|swim\w*|coast|day ?trips?|palaces?|castles?)\b/i],
  ['rain', /\b(rain\w*|wet|weather|showers?|umbrellas?|museums?|indoors?)\b/i],
  ['trams', /\b(trams?|metro|bus\w*|taxis?|tickets?|airport|around|transport|trains?|walk\w*|hills?)\b/i],
  [
    'food',
    /\b(eat\w*|food|dinners?|lunch\w*|breakfast|restaurants?|wine|fish|vegetarian|cakes?|tarts?|drinks?)\b/i,
  ],
  ['weekend', /\b(plan\w*|weekend|itinerary|lisbon|visit\w*|days?)\b/i],
]

/** The answer whose words are in the question; otherwise the one that was given least, with `isMatch` false. */
export function chooseAnswer(
  question: string,
  given: readonly string[],
): { readonly name: string; readonly isMatch: boolean } {
  const match = WORDS.find(([, words]) => words.test(question))
  if (match) return { name: match[0], isMatch: true }
  const times = (name: string): number => given.filter((other) => other === name).length
  const names = Object.keys(ANSWERS)
  return { name: names.toSorted((a, b) => times(a) - times(b))[0]!, isMatch: false }
}

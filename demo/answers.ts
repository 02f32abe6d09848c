/**
 * What the agent says about the weekend as a whole and about food.
 *
 * @module
 */
import type { Piece } from './pace.ts'

export const WEEKEND: readonly Piece[] = [
  {
    thought:
      'Two nights, so two whole days and a late first evening. Lisbon is small but steep: grouping by hill saves ' +
      'legs. Friday should ask nothing of them beyond dinner and a view.',
  },
  {
    plan: [
      'Friday: arrive, one view, one dinner',
      'Saturday: Alfama early, river late',
      'Sunday: Belém and a slow lunch',
      'Leave room for doing nothing',
    ],
  },
  {
    message:
      'Lisbon in two days works best if you stop trying to see it all. Here is a weekend with one hill at a time.\n\n' +
      'Friday. Drop the bags and walk up to the Miradouro de São Pedro de Alcântara before the light goes. The castle ' +
      'is across the valley, the river behind it, and for ten minutes the whole town turns the colour of apricots. ' +
      'Eat nearby; you will be too tired to choose well.',
  },
  { thought: 'Saturday hangs on the weather. Alfama in rain is a slide. Check before promising anything.' },
  {
    tool: 'forecast',
    input: 'Lisbon, Friday to Sunday',
    output: 'Fri 21° clear · Sat 19° showers after four · Sun 22° wind from the north',
    takesMs: 1700,
  },
  {
    message:
      'Saturday is dry until four, so take the climb first. Be in Alfama by nine, while the laundry is still dripping ' +
      'and the only sound is somebody’s radio. Go up by Largo das Portas do Sol, come down through whatever lane looks ' +
      'wrong. When the showers arrive, be in the Tile Museum at Madre de Deus: an entire panorama of the town as it ' +
      'stood before the earthquake, in blue.\n\n' +
      'Sunday belongs to Belém. Take the train along the water, see the cloister of the Jerónimos before the coaches ' +
      'come, and have the custard tarts warm, standing up, with cinnamon. Then lunch, long, and the airport by metro.\n\n' +
      'Shall I look for tables, or first work out how to get around?',
  },
]

export const FOOD: readonly Piece[] = [
  {
    thought:
      'Three dinners’ worth of appetite in two days. Mix one loud place, one careful place and one with nothing but ' +
      'fish. Avoid anything with photographs on the menu.',
  },
  {
    plan: [
      'Friday: small plates, no booking',
      'Saturday: shellfish, with a queue',
      'Sunday: grilled fish across the river',
      'Something sweet every morning',
    ],
  },
  {
    message:
      'The rule in Lisbon is simple: the shorter the menu, the better the lunch.\n\n' +
      'On Friday, find a tasca, a room with paper on the tables and the dishes of the day on a slate. Order three small ' +
      'things and share them. The bread and olives that appear are not a gift; send them back if you don’t want them, ' +
      'nobody minds.',
  },
  {
    tool: 'find_table',
    input: 'two people, Saturday 20:30, shellfish',
    output: 'no bookings taken · queue about 40 minutes at eight, 15 at half past six',
    takesMs: 1500,
  },
  {
    thought: 'Half past six is early for Lisbon but right for people who climbed Alfama at nine. Suggest it.',
  },
  {
    message:
      'For Saturday I would go early. The big shellfish houses take no bookings, but at half past six the wait is ' +
      'only a quarter of an hour. Clams with garlic and coriander first, then whatever the scales by the door say is ' +
      'good, and at the end a steak sandwich instead of dessert. It sounds like a mistake and is a tradition.\n\n' +
      'On Sunday take the ferry from Cais do Sodré to Cacilhas, ten minutes for the price of a coffee. Walk right along ' +
      'the quay until the yellow chairs. Grilled fish, a carafe of white, and Lisbon laid out opposite like something ' +
      'you have already started to miss.\n\n' +
      'And tarts in the morning. Two each. One is a decision you will regret.',
  },
]

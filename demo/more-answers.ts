/**
 * What the agent says about rain, about getting around and about a day out.
 *
 * @module
 */
import type { Piece } from './pace.ts'

export const RAIN: readonly Piece[] = [
  {
    thought:
      'Rain in Lisbon is short and wholehearted. The question is less what to do than what to wear on polished stone.',
  },
  {
    tool: 'forecast',
    input: 'Lisbon, Saturday, by the hour',
    output: '09:00 dry · 13:00 cloud · 16:00 showers · 19:00 clearing from the west',
    takesMs: 1600,
  },
  {
    message:
      'Then it rains, and the town gets better at being looked at. The pavements are limestone cut by hand, and when ' +
      'they are wet they reflect every lamp. They are also as smooth as soap: rubber soles, short steps.\n\n' +
      'The forecast gives you until four. Keep the morning as it was and move indoors after lunch.',
  },
  {
    plan: [
      'Until one: Alfama, as planned',
      'Lunch under a roof in the market hall',
      'Four o’clock: Gulbenkian, two hours',
      'After seven: out again, it clears',
    ],
  },
  {
    thought:
      'Gulbenkian over the big museums: one collector’s eye, a garden outside, a café to wait in. Mention the light.',
  },
  {
    message:
      'For the wet hours I would choose the Gulbenkian. One man’s collection, so it has a taste instead of a ' +
      'programme: a handful of Egyptian cats, a Rembrandt, a room of glass brooches that look alive. The windows go ' +
      'down to the floor, and with rain on the garden outside you stop noticing which side of the glass is the ' +
      'exhibit.\n\n' +
      'If you would rather stay central, the old carriage of a funicular is dry and goes nowhere important, slowly. And ' +
      'if it simply pours, sit in a café in Chiado and order a galão. Nobody in Lisbon has ever been asked to leave ' +
      'because of finishing a coffee.\n\n' +
      'By seven it clears from the west. That is the hour to be on a terrace with a towel for the chair.',
  },
]

export const TRAMS: readonly Piece[] = [
  {
    thought:
      'They will ask about tram 28 because everybody does. Be honest: it is a queue with a view. Give them a better ' +
      'way up and keep one tram ride for the pleasure of it.',
  },
  {
    tool: 'route',
    input: 'airport to Baixa-Chiado, Friday 18:40',
    output: 'metro red to Alameda, green to Baixa-Chiado · about 30 min · every 7 min',
    takesMs: 1400,
  },
  {
    message:
      'From the airport take the metro: red line to Alameda, change to green, out at Baixa-Chiado. Half an hour, and ' +
      'the escalators at the end are so long that they count as sightseeing.\n\n' +
      'Buy one card each at the machine and load it with credit. The same card opens metro, trams, ferries and the ' +
      'trains to the coast; touch it every time you change.',
  },
  {
    plan: [
      'Metro in from the airport',
      'On foot downhill, lifts uphill',
      'One tram, early, end to end',
      'Train to Belém, ferry to Cacilhas',
    ],
  },
  { thought: 'Add the trick with the lifts. Public, free, and nobody tells visitors.' },
  {
    message:
      'In town, walk down and ride up. There are lifts hidden in ordinary buildings between Baixa and the castle: you ' +
      'step into what looks like an office, press a button, and come out a hill higher. They cost nothing.\n\n' +
      'As for tram 28: lovely, and full by nine. If you want the rattle and the corners, start at the far end, in ' +
      'Campo de Ourique, before half past eight on Sunday. You get the wooden seat, the open window and the driver ' +
      'ringing at parked cars. Get out at Graça and have breakfast above the whole town.\n\n' +
      'Taxis are for after midnight, when your knees have stopped speaking to you.',
  },
]

export const SINTRA: readonly Piece[] = [
  {
    thought:
      'Both are forty minutes by train, in different directions and different moods. With wind from the north on ' +
      'Sunday the beach will be sandpaper. Say so, but leave the door open.',
  },
  {
    tool: 'forecast',
    input: 'Sintra and Cascais, Sunday',
    output: 'Sintra 17° mist until eleven · Cascais 22° sun, north wind 35 km/h',
    takesMs: 1800,
  },
  {
    message:
      'On this Sunday, Sintra. The hills make their own weather there, and a little mist is what the place was built ' +
      'for: moss, chimneys, a palace the colour of a paint shop appearing between the trees and going away again.',
  },
  {
    plan: [
      '08:10 train from Rossio',
      'Walk up before the buses',
      'One palace, not three',
      'Back by four, swim if the wind drops',
    ],
  },
  {
    thought:
      'One palace only. Regaleira for the well and the tunnels; Pena is the postcard but an hour of queueing.',
  },
  {
    message:
      'Take the ten past eight from Rossio, whose doors are two horseshoes and worth a photograph. Walk up through the ' +
      'village instead of waiting for the bus, and choose one palace. I would choose the Regaleira: a garden with a ' +
      'staircase that winds down a well, nine turns to the bottom, and tunnels out that end behind a waterfall. Pena ' +
      'is grander, but you will see mostly the backs of other visitors.\n\n' +
      'If you wake up and there is no wind at all, turn round and take the other train, from Cais do Sodré along the ' +
      'river to Cascais. The line runs so close to the water that it feels like cheating. Walk west past the ' +
      'lighthouse, swim in the cove, dry on the wall.\n\n' +
      'Either way be back by four. The plane is not until night, and Lisbon keeps its best light for people who are ' +
      'about to leave.',
  },
]

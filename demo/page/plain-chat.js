/** The right page: a chat over `EventSource` as people write it. It knows nothing of what it misses. */

/** Shows a stream in `list`. `before` is the demo's eye: it sees each event before it is shown. */
export class PlainChat {
  #list
  #bubble = null

  constructor(list) {
    this.#list = list
  }

  connect(url, before) {
    const source = new EventSource(url)
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data)
      before(event)
      this.#show(event)
    }
    return source
  }

  /** Puts a mark of the demo's own into the text, where the reader is now. */
  mark(element) {
    this.#keepEnd(() => (this.#bubble ? this.#bubble.text.append(' ', element) : this.#list.append(element)))
  }

  #show(event) {
    this.#keepEnd(() => {
      const { content_type: type, event_data: data, part_id: part } = event
      if (type === 'thought' || type === 'concierge_message') this.#write(type, part, data)
      else {
        this.#bubble = null
        if (type === 'user') this.#list.append(paragraph('user', data))
        else if (type === 'loomi_plan_concierge') this.#list.append(plan(data.steps))
        else if (type === 'tool_call') this.#list.append(toolCall(data))
        else if (type === 'tool_result') this.#list.append(paragraph('tool result', data.output))
      }
    })
  }

  #write(type, part, delta) {
    if (this.#bubble?.part !== part) {
      const text = paragraph(type === 'thought' ? 'thought' : 'message', '')
      this.#list.append(text)
      this.#bubble = { part, text }
    }
    this.#bubble.text.append(delta)
  }

  /** Follows the newest text, unless the reader has scrolled away from it. */
  #keepEnd(change) {
    const list = this.#list
    const isAtEnd = list.scrollHeight - list.clientHeight - list.scrollTop < 32
    change()
    if (isAtEnd) list.scrollTop = list.scrollHeight
  }
}

function paragraph(className, text) {
  const p = document.createElement('p')
  p.className = className
  p.textContent = text
  return p
}

function plan(steps) {
  const box = document.createElement('div')
  box.className = 'plan'
  const title = document.createElement('h3')
  title.textContent = 'Plan'
  const list = document.createElement('ol')
  for (const step of steps) list.append(Object.assign(document.createElement('li'), { textContent: step }))
  box.append(title, list)
  return box
}

function toolCall({ name, input }) {
  const line = paragraph('tool', '')
  const title = document.createElement('b')
  title.textContent = name
  line.append(title, ' ', input)
  return line
}

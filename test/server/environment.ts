/** This process's environment, changed for a while. */

type Variables = Readonly<Record<string, string | undefined>>

/** Sets variables, and takes away those without a value; the answer puts back what there was. */
export function setEnvironment(variables: Variables): () => void {
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]))
  put(variables)
  return () => put(before)
}

/** One by one: an object of our own in place of `process.env` would no longer be the process's. */
function put(variables: Variables): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

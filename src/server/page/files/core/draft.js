// The model that is being made: where it comes from, what it shall be. It stays as long as this tab is open,
// so that going back, or opening the page again, loses nothing.

const PLACE = 'ollamake.draft'
// What a plan is of until the model has a name.
const UNNAMED = 'unnamed'
const EMPTY = {
  name: '',
  /** What the files are: `checkpoint`, `gguf`, `adapter` or `matrix`. */
  kind: '',
  from: '',
  files: {},
  adapters: {},
  merge: true,
  matrix: '',
  wanted: [],
  types: [],
  recipe: {},
  template: '',
  system: '',
  license: '',
  parameters: '',
}

/** What has been chosen so far. */
export function draft() {
  try {
    return { ...EMPTY, ...JSON.parse(sessionStorage.getItem(PLACE)) }
  } catch {
    return { ...EMPTY }
  }
}

/** Chooses some more. */
export function amend(changes) {
  const amended = { ...draft(), ...changes }
  sessionStorage.setItem(PLACE, JSON.stringify(amended))
  return amended
}

/** Begins anew. */
export function discard() {
  sessionStorage.removeItem(PLACE)
}

/** Whether it is known what the model is to be made from, and all of it is with the server. */
export function hasSource({ from, files, wanted }) {
  return wanted.length === 0 && (from !== '' || Object.keys(files).length > 0)
}

/** The names of the models to come: of several types each has its own. */
export function outputs(chosen) {
  const { name, types } = chosen
  if (types.length < 2) return [{ model: name, quantize: types[0] ?? '' }]
  const plain = /:[^/:]*$/.test(name) ? name.replace(/:[^/:]*$/, '') : name
  return types.map((quantize) => ({ model: `${plain}:${quantize.toLowerCase()}`, quantize }))
}

/** What all requests for it have in common, whatever it is quantized to. */
export function source(chosen) {
  const { from, files, adapters, merge, template, system, license, parameters } = chosen
  const has = (object) => Object.keys(object).length > 0
  return {
    ...(from ? { from } : {}),
    ...(has(files) ? { files } : {}),
    ...(has(adapters) ? { adapters, ...(merge ? { merge_adapters: true } : {}) } : {}),
    ...(template ? { template } : {}),
    ...(system ? { system } : {}),
    ...(license ? { license: [license] } : {}),
    ...(parameters.trim() ? { parameters: parametersOf(parameters) } : {}),
  }
}

/** The recipe, with the importance matrix if there is one. */
export function recipe(chosen) {
  const { matrix, recipe: fields } = chosen
  return matrix ? { ...fields, imatrix: matrix } : fields
}

/** What makes the models: one, or several from one reading of the source. */
export function request(chosen) {
  const made = outputs(chosen).map(({ model, quantize }) => ({
    model,
    ...(quantize ? { quantize } : {}),
    ...(quantize && Object.keys(recipe(chosen)).length ? { recipe: recipe(chosen) } : {}),
  }))
  return made.length === 1 ? { ...made[0], ...source(chosen) } : { outputs: made, ...source(chosen) }
}

/** What asks for the plan of it; there several types are a list. */
export function dryRun(chosen) {
  const { name, types } = chosen
  const quantize = types.length > 1 ? types : types[0]
  const wished = types.length && Object.keys(recipe(chosen)).length ? { recipe: recipe(chosen) } : {}
  return {
    model: name || UNNAMED,
    ...source(chosen),
    ...(quantize ? { quantize } : {}),
    ...wished,
    dry_run: true,
  }
}

/** What asks for the plan of one type, with a recipe. */
export function dryRunOf(chosen, quantize, wished) {
  return { model: UNNAMED, ...source(chosen), quantize, recipe: wished, dry_run: true }
}

/** A name that models may have, after that of a file or a folder. */
export function modelName(file) {
  const plain = file.replace(/\.(gguf|safetensors)$/, '').toLowerCase()
  return plain.replace(/[^a-z0-9._-]+/g, '-').replace(/^[-._]+|[-._]+$/g, '') || 'model'
}

/** `temperature 0.5`, a line each, as a Modelfile has them; what stands more than once is a list. */
export function parametersOf(text) {
  const parameters = {}
  for (const line of text.split('\n')) {
    const [, name, rest] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(line) ?? []
    if (!name) continue
    const value = valueOf(rest)
    parameters[name] = name in parameters ? [parameters[name], value].flat() : value
  }
  return parameters
}

function valueOf(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

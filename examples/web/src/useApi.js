import { useEffect, useState } from 'react'

const EVERY = 1_000 // milliseconds between two questions
const PATIENCE = 2_000 // milliseconds until a question counts as unanswered

async function askTime(signal) {
  const response = await fetch('/api/time', { signal })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return response.json()
}

/** The last answer of the API, and whether it answers now: `true`, `false`, or `null` before the first word. */
export function useApi() {
  const [state, setState] = useState({ answers: null, last: null })

  useEffect(() => {
    const gone = new AbortController()
    let timer

    // Ask, wait, ask again: never two questions at once, however slow the answer is.
    async function ask() {
      try {
        const last = await askTime(AbortSignal.any([gone.signal, AbortSignal.timeout(PATIENCE)]))
        if (!gone.signal.aborted) setState({ answers: true, last })
      } catch {
        if (!gone.signal.aborted) setState(({ last }) => ({ answers: false, last }))
      }
      if (!gone.signal.aborted) timer = setTimeout(ask, EVERY)
    }

    ask()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [])

  return state
}

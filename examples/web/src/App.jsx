import { useApi } from './useApi.js'

const WORDS = { true: 'The API answers', false: 'The API does not answer', null: 'Asking the API' }

export function App() {
  const { answers, last } = useApi()

  return (
    <main>
      <p className="status" data-answers={String(answers)} role="status">
        {WORDS[answers]}
      </p>
      <time dateTime={last?.time}>{last ? new Date(last.time).toLocaleTimeString() : '--:--:--'}</time>
      <dl>
        <div>
          <dt>process</dt>
          <dd>{last?.pid ?? '-'}</dd>
        </div>
        <div>
          <dt>up for</dt>
          <dd>{last ? `${Math.floor(last.uptime)} s` : '-'}</dd>
        </div>
      </dl>
      <section>
        <h1>Break it</h1>
        <p>End the API and watch a new process take its place:</p>
        <pre>{`kill -9 ${last?.pid ?? 'PID'}`}</pre>
        <p>
          Then ask what happened with <code>procman status</code> and <code>procman logs api</code>.
        </p>
      </section>
    </main>
  )
}

import express from 'express'

const port = Number(process.env.PORT ?? 3000)
const app = express()

// procman asks here whether the API works: anything but 200 to 399, or no answer in time, is a failed check.
app.get('/health', (request, response) => {
  response.json({ ok: true })
})

app.get('/api/time', (request, response) => {
  response.json({ time: new Date().toISOString(), pid: process.pid, uptime: process.uptime() })
})

// `localhost` and not every address: nobody else on the network is to see a development server.
const server = app.listen(port, 'localhost', (error) => {
  if (error) throw error // a taken port ends the process, so that procman sees it
  console.log(`api: listening on http://localhost:${port}`)
})

// Answer what was asked already, then end: the process exits once its last connection is closed.
process.once('SIGTERM', () => {
  console.log('api: stopping')
  server.close()
})

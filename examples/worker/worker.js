// A worker has no port: procman counts it as healthy while it lives.
const every = 5_000 // milliseconds
let done = 0

console.log('worker: ready')

const timer = setInterval(() => {
  done += 1
  console.log(`worker: job ${done} done`)
}, every)

// With its timer gone the process has nothing left to wait for, and exits with code 0.
process.once('SIGTERM', () => {
  console.log(`worker: stopping after ${done} jobs`)
  clearInterval(timer)
})

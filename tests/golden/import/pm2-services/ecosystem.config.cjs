const base = { script: 'pnpm', interpreter: 'none', max_restarts: 3, min_uptime: 180000, kill_timeout: 30000 }
const services = [['gateway', 6501], ['profile', 6502]]

module.exports = {
  apps: services.map(([name, port]) => ({
    ...base,
    name: `csr-${name}`,
    args: ['--filter', `@csr/${name}`, 'dev'],
    env: { PORT: String(port), LOG: 'debug' },
    log_date_format: 'YYYY-MM-DD HH:mm:ss Z',
  })),
}

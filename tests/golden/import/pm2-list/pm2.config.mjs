export default [
  { script: 'src/index.js', name: 'api', exec_mode: 'fork', instances: 2, exp_backoff_restart_delay: 100 },
  { name: 'delete old rows', script: 'src/scripts/delete.js', cron_restart: '0 * * * *', autorestart: false },
]

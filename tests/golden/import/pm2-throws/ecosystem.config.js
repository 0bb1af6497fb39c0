module.exports = { apps: [{ name: 'web', script: process.env.NOPE.trim() }] }

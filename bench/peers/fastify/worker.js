'use strict'
// The other end of the queue, in a process of its own, as it is run in service: takes every job that server.js has added, has nothing to do for it, and finishes it.

const { Worker } = require('bullmq')

const { REDIS_SOCKET } = process.env

const worker = new Worker('webhooks', async () => {}, { connection: { path: REDIS_SOCKET, maxRetriesPerRequest: null }, concurrency: 64 })

process.on('SIGTERM', async () => {
  await worker.close(true)
  process.exit(0)
})

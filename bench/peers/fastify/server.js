'use strict'
// Retell's webhooks into a BullMQ queue: verified over the bytes that came, answered once Redis has said that the job is in its append-only file.

const { createHmac, timingSafeEqual } = require('node:crypto')
const { Queue } = require('bullmq')
const fastify = require('fastify')

const { PORT, RETELL_API_KEY, REDIS_SOCKET } = process.env
const WINDOW_MS = 5 * 60 * 1000

// A web request is better refused than kept waiting for a Redis that is not there.
const queue = new Queue('webhooks', { connection: { path: REDIS_SOCKET, enableOfflineQueue: false } })

function isAuthentic (header, body) {
  const match = /^v=(\d{1,16}),d=([0-9a-f]{64})$/.exec(header ?? '')
  if (!match || Math.abs(Date.now() - Number(match[1])) > WINDOW_MS) return false
  const expected = createHmac('sha256', RETELL_API_KEY).update(body).update(match[1]).digest()
  return timingSafeEqual(expected, Buffer.from(match[2], 'hex'))
}

const app = fastify({ logger: false, bodyLimit: 8 * 1024 * 1024 })

app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body))

app.post('/webhook', async (request, reply) => {
  if (!isAuthentic(request.headers['x-retell-signature'], request.body)) return reply.code(401).send({ error: 'signature' })
  const message = JSON.parse(request.body)
  await queue.add(message.event, message)
  return reply.code(204).send()
})

queue.waitUntilReady().then(() => app.listen({ host: '127.0.0.1', port: Number(PORT), backlog: 4096 }))

process.on('SIGTERM', async () => {
  await app.close()
  await queue.close()
  process.exit(0)
})

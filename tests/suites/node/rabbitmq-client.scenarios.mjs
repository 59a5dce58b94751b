// What users of rabbitmq-client do: it comes back by itself, so the broker is restarted under it.
import assert from 'node:assert';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Connection } from 'rabbitmq-client';

const MANY = 1000;
let names = 0;

const queueName = () => `rabbitmq-client-${process.pid}-${names++}`;

// The next time it is connected; errors on the way there are the matter of the test.
const up = (connection) => new Promise((resolve) => connection.once('connection', resolve));

async function connected(options = {}) {
  const connection = new Connection({ url: process.env.BROKER_URL, retryLow: 100, retryHigh: 500, ...options });
  connection.errors = [];
  connection.on('error', (error) => connection.errors.push(error));
  await up(connection);
  return connection;
}

// Whoever started this sees the file, restarts the broker and takes the file away.
async function restartBroker() {
  writeFileSync(process.env.RESTART_FILE, '');
  while (existsSync(process.env.RESTART_FILE)) await pause(50);
}

// A consumer that notes what comes; `until(n)` waits for n different bodies.
function collector(connection, props) {
  const seen = new Set();
  let look = () => {};
  const consumer = connection.createConsumer(props, (message) => {
    seen.add(message.body);
    look();
  });
  consumer.on('error', (error) => connection.errors.push(error));
  const until = (count) => new Promise((resolve) => {
    look = () => { if (seen.size >= count) resolve([...seen]); };
    look();
  });
  return { consumer, until };
}

describe('rabbitmq-client', { timeout: 90_000 }, () => {
  it('confirms a thousand, and hands them out under a prefetch', async () => {
    const connection = await connected();
    const queue = queueName();
    const { consumer, until } = collector(connection, { queue, queueOptions: { durable: true }, qos: { prefetchCount: 10 } });
    await once(consumer, 'ready');
    const publisher = connection.createPublisher({ confirm: true });
    const bodies = Array.from({ length: MANY }, (_, n) => `message ${n}`);
    await Promise.all(bodies.map((body) => publisher.send({ routingKey: queue, durable: true }, body)));
    assert.deepEqual((await until(MANY)).sort(), bodies.sort());
    await consumer.close();
    await publisher.close();
    assert.equal((await connection.queueDelete(queue)).messageCount, 0);
    await connection.close();
  });

  it('closes with a thousand messages in flight, twenty times', async () => {
    for (let round = 0; round < 20; round++) {
      const connection = await connected();
      const queue = queueName();
      const queueOptions = { autoDelete: true };
      await connection.queueDeclare({ queue, ...queueOptions });
      const publisher = connection.createPublisher({ confirm: true });
      await Promise.all(Array.from({ length: MANY }, (_, n) => publisher.send(queue, `message ${n}`)));
      const { consumer, until } = collector(connection, { queue, queueOptions });
      await until(1);
      await consumer.close();
      await publisher.close();
      await connection.close();
    }
  });

  it('asks and is answered', async () => {
    const connection = await connected();
    const queue = queueName();
    const server = connection.createConsumer({ queue, queueOptions: { exclusive: true } }, async (question, reply) => {
      await reply(`re: ${question.body}`);
    });
    await once(server, 'ready');
    const client = connection.createRPCClient({ confirm: true });
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.send(queue, `question ${n}`)));
    assert.deepEqual(answers.map((answer) => answer.body), Array.from({ length: 100 }, (_, n) => `re: question ${n}`));
    await client.close();
    await server.close();
    await connection.close();
  });

  it('gets back what nobody takes', async () => {
    const connection = await connected();
    const publisher = connection.createPublisher({ confirm: true });
    const returned = once(publisher, 'basic.return');
    await publisher.send({ routingKey: 'no-such-queue', mandatory: true }, 'here');
    const [message] = await returned;
    assert.deepEqual([message.replyCode, message.body], [312, 'here']);
    await publisher.close();
    await connection.close();
  });

  it('loses a channel to an error, and the connection lives on', async () => {
    const connection = await connected();
    const refused = connection.queueDeclare({ queue: 'no-such-queue', passive: true });
    await assert.rejects(refused, { code: 'NOT_FOUND' });
    await connection.queueDeclare({ exclusive: true });
    assert.deepEqual(connection.errors, []);
    await connection.close();
  });

  it('stays connected over silence with heartbeats', async () => {
    const connection = await connected({ heartbeat: 1 });
    await pause(5000);
    await connection.queueDeclare({ exclusive: true });
    assert.deepEqual(connection.errors, []);
    await connection.close();
  });

  it('comes back after a restart of the broker, with what was kept and what is new', async () => {
    const connection = await connected();
    const queue = queueName();
    const publisher = connection.createPublisher({ confirm: true, maxAttempts: 5, queues: [{ queue, durable: true }] });
    await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.send({ routingKey: queue, durable: true }, `before ${n}`)));
    const again = up(connection);
    await restartBroker();
    await again;
    const { consumer, until } = collector(connection, { queue, queueOptions: { durable: true } });
    await until(100);
    const third = up(connection);
    await restartBroker();
    await third;
    await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.send({ routingKey: queue, durable: true }, `after ${n}`)));
    const got = await until(200);
    assert.equal(got.filter((body) => body.startsWith('after')).length, 100);
    await consumer.close();
    await publisher.close();
    await connection.queueDelete(queue);
    await connection.close();
  });
});

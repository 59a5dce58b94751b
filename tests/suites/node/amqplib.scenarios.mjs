// What users of amqplib do, and what once failed: a close with a thousand messages in flight never returned.
import assert from 'node:assert';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import amqp from 'amqplib';

const URL = process.env.BROKER_URL;
const MANY = 1000;
let names = 0;

// A queue of the test's own; what a test leaves behind is not met by the next run.
const queueName = () => `amqplib-${process.pid}-${names++}`;

async function filled(connection, queue, options) {
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue(queue, options);
  for (let n = 0; n < MANY; n++) channel.sendToQueue(queue, Buffer.from(String(n)), { persistent: true });
  await channel.waitForConfirms();
  return channel;
}

describe('amqplib', { timeout: 90_000 }, () => {
  it('confirms a thousand, and hands them out in order under a prefetch', async () => {
    const connection = await amqp.connect(URL);
    const queue = queueName();
    const channel = await filled(connection, queue, { durable: true });
    await channel.prefetch(10);
    const got = [];
    await new Promise((resolve) => {
      channel.consume(queue, (message) => {
        got.push(Number(message.content));
        channel.ack(message);
        if (got.length === MANY) resolve();
      });
    });
    assert.deepEqual(got, Array.from({ length: MANY }, (_, n) => n));
    await channel.close();
    const after = await connection.createChannel();
    assert.equal((await after.deleteQueue(queue)).messageCount, 0);
    await connection.close();
  });

  it('closes with a thousand messages in flight, twenty times', async () => {
    for (let round = 0; round < 20; round++) {
      const connection = await amqp.connect(URL);
      const queue = queueName();
      const channel = await filled(connection, queue, { exclusive: true });
      await new Promise((resolve) => channel.consume(queue, resolve));
      // A thousand the other way, which nobody waits for.
      for (let n = 0; n < MANY; n++) channel.sendToQueue(queue, Buffer.alloc(1000));
      channel.on('error', () => {});
      await connection.close();
    }
  });

  it('gets back what nobody takes', async () => {
    const connection = await amqp.connect(URL);
    const channel = await connection.createConfirmChannel();
    const returned = once(channel, 'return');
    channel.publish('', 'no-such-queue', Buffer.from('here'), { mandatory: true });
    await channel.waitForConfirms();
    const [message] = await returned;
    assert.equal(message.fields.replyCode, 312);
    assert.equal(message.content.toString(), 'here');
    await connection.close();
  });

  it('loses a channel to an error, and the connection lives on', async () => {
    const connection = await amqp.connect(URL);
    const channel = await connection.createChannel();
    const failed = once(channel, 'error');
    await assert.rejects(channel.checkQueue('no-such-queue'), /NOT_FOUND - no queue 'no-such-queue' in vhost '\/'/);
    assert.equal((await failed)[0].code, 404);
    const next = await connection.createChannel();
    await next.assertQueue('', { exclusive: true });
    await connection.close();
  });

  it('asks and is answered over direct reply-to', async () => {
    const connection = await amqp.connect(URL);
    const queue = queueName();
    const server = await connection.createChannel();
    await server.assertQueue(queue, { exclusive: true });
    await server.consume(queue, (question) => {
      const { replyTo, correlationId } = question.properties;
      server.publish('', replyTo, Buffer.from(`re: ${question.content}`), { correlationId });
    }, { noAck: true });
    const client = await connection.createChannel();
    const answer = new Promise((resolve) => client.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }));
    client.sendToQueue(queue, Buffer.from('how?'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '7' });
    const { content, properties } = await answer;
    assert.deepEqual([content.toString(), properties.correlationId], ['re: how?', '7']);
    await connection.close();
  });

  it('stays connected over silence with heartbeats', async () => {
    const connection = await amqp.connect(`${URL}?heartbeat=1`);
    const broken = [];
    connection.on('error', (error) => broken.push(error));
    await pause(5000);
    const channel = await connection.createChannel();
    await channel.assertQueue('', { exclusive: true });
    assert.deepEqual(broken, []);
    await connection.close();
  });
});

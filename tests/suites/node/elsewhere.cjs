// Some of amqplib's tests want the broker on port 5672 of this machine; it is elsewhere.
const net = require('node:net');

const connect = net.connect;
net.connect = (options, ...rest) => {
  const port = Number(process.env.BROKER_PORT);
  return connect(Number(options.port) === 5672 ? { ...options, host: '127.0.0.1', port } : options, ...rest);
};

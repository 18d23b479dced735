// Listens and asks inside a network namespace: a JSON line in, a JSON line out. Servers answer with their name and whom they see.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const seen = (address) => address.replace('::ffff:', '');

const commands = {
  async listen({ name, protocol, ip, port }) {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(`${name} ${seen(socket.remoteAddress)}`));
      });
      await new Promise((resolve, reject) =>
        server.on('error', reject).listen({ port, host: ip, ipv6Only: true }, resolve),
      );
    } else {
      const socket = createSocket(ip.includes(':') ? { type: 'udp6', ipv6Only: true } : 'udp4');
      socket.on('message', (_, from) => socket.send(`${name} ${seen(from.address)}`, from.port, from.address));
      await new Promise((resolve, reject) => socket.on('error', reject).bind(port, ip, resolve));
    }
    return 'listening';
  },
  ask({ protocol, ip, port, timeout }) {
    return protocol === 'tcp' ? askTcp(ip, port, timeout) : askUdp(ip, port, timeout);
  },
};

function askTcp(host, port, timeout) {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    const late = setTimeout(() => socket.destroy(new Error('silence')), timeout);
    socket.on('connect', () => socket.write('?'));
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', ({ code, message }) => {
      text = code ?? message;
    });
    socket.on('close', () => {
      clearTimeout(late);
      resolve(text);
    });
  });
}

function askUdp(ip, port, timeout) {
  return new Promise((resolve) => {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    const end = (text) => {
      clearTimeout(late);
      socket.close();
      resolve(text);
    };
    const late = setTimeout(() => end('silence'), timeout);
    socket.on('error', ({ code }) => end(code));
    socket.on('message', (data) => end(data.toString()));
    socket.connect(port, ip, () => socket.send('?'));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, command, ...words } = JSON.parse(line);
  commands[command](words).then(
    (answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`),
    (error) => process.stdout.write(`${JSON.stringify({ id, answer: String(error) })}\n`),
  );
}
process.exit(0);

'use strict';
// Sends mail by SMTP, without encryption: the server is in this container.

const crypto = require('node:crypto');
const net = require('node:net');

const TIMEOUT = 10_000; // milliseconds without a sign of life

/** What an e-mail address may look like: nothing in it means something to SMTP or to a header. */
const EMAIL = /^[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+$/;

class Mailer {
  constructor(env) {
    this.host = env.STACK_EMAIL_HOST;
    this.port = Number(env.STACK_EMAIL_PORT);
    this.sender = env.STACK_EMAIL_SENDER;
  }

  /** Sends one message, as text and as HTML. It is sent when the promise is fulfilled. */
  async send({ to, subject, text, html }) {
    for (const address of [this.sender, to]) {
      if (!EMAIL.test(address)) throw new Error('mail: not an e-mail address');
    }
    const socket = net.connect({ host: this.host, port: this.port });
    socket.setTimeout(TIMEOUT, () => socket.destroy(new Error('the mail server does not answer in time')));
    const answers = replies(socket);
    const expect = async (code) => {
      const { value } = await answers.next();
      if (!value?.startsWith(code)) throw new Error(`mail: the server said ${value || 'nothing'}, not ${code}`);
    };
    try {
      await expect('220');
      for (const [command, code] of [
        ['EHLO localhost', '250'], [`MAIL FROM:<${this.sender}>`, '250'], [`RCPT TO:<${to}>`, '250'], ['DATA', '354'],
        [`${compose({ from: this.sender, to, subject, text, html })}\r\n.`, '250'], ['QUIT', '221'],
      ]) {
        socket.write(`${command}\r\n`);
        await expect(code);
      }
    } finally {
      socket.destroy();
    }
  }
}

/** The last line of each answer. */
async function* replies(socket) {
  let text = '';
  socket.setEncoding('latin1');
  for await (const chunk of socket) {
    text += chunk;
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (line[3] !== '-') yield line;
    }
  }
}

/** A message. All that may be anything is in base64, so that no line of it can be taken for something else. */
function compose({ from, to, subject, text, html }) {
  const boundary = crypto.randomBytes(12).toString('hex');
  const part = (type, body) => [`--${boundary}`, `Content-Type: ${type}; charset=utf-8`, 'Content-Transfer-Encoding: base64', '',
    Buffer.from(body).toString('base64').replace(/.{76}/g, '$&\r\n')];
  return [
    `From: <${from}>`, `To: <${to}>`, `Subject: =?utf-8?B?${Buffer.from(subject).toString('base64')}?=`,
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`, `Message-ID: <${crypto.randomUUID()}@localhost>`,
    'MIME-Version: 1.0', `Content-Type: multipart/alternative; boundary=${boundary}`, '',
    ...part('text/plain', text), ...part('text/html', html), `--${boundary}--`,
  ].join('\r\n');
}

module.exports = { Mailer, EMAIL };

'use strict';
// Objects in an S3-compatible storage. Every request goes to a URL that is signed for it (AWS Signature Version 4 in the
// query), so that a URL for a browser and a request of our own are made in the same way. Without TLS: the storage is in this
// container.

const crypto = require('node:crypto');
const http = require('node:http');

const TIMEOUT = 10_000; // milliseconds

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();

/** Escapes as the signature wants it: everything but letters, digits and "-._~". */
const escape = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

class Storage {
  constructor(env) {
    this.endpoint = env.STACK_S3_ENDPOINT;
    this.publicEndpoint = env.STACK_S3_PUBLIC_ENDPOINT || this.endpoint;
    this.region = env.STACK_S3_REGION;
    this.bucket = env.STACK_S3_BUCKET;
    this.id = env.STACK_S3_ACCESS_KEY_ID;
    this.secret = env.STACK_S3_SECRET_ACCESS_KEY;
  }

  /** Stores an object. */
  put(key, body, type) {
    return this.request('PUT', key, body, { 'content-type': type, 'content-length': body.length });
  }

  /** Deletes an object, if it is there. */
  remove(key) {
    return this.request('DELETE', key);
  }

  /** Returns a URL at which a browser can load an object for some seconds. */
  urlFor(key, seconds) {
    return this.sign('GET', this.publicEndpoint, key, seconds);
  }

  sign(method, endpoint, key, seconds, now = new Date()) {
    const url = new URL(`${endpoint}/${[this.bucket, ...key.split('/')].map(escape).join('/')}`);
    const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
    const scope = `${time.slice(0, 8)}/${this.region}/s3/aws4_request`;
    const query = Object.entries({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${this.id}/${scope}`,
      'X-Amz-Date': time,
      'X-Amz-Expires': String(seconds),
      'X-Amz-SignedHeaders': 'host',
    }).map(([name, value]) => `${name}=${escape(value)}`).join('&');
    const request = [method, url.pathname, query, `host:${url.host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n');
    const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(request)].join('\n');
    const signingKey = [time.slice(0, 8), this.region, 's3', 'aws4_request'].reduce(hmac, `AWS4${this.secret}`);
    url.search = `${query}&X-Amz-Signature=${hmac(signingKey, toSign).toString('hex')}`;
    return url.href;
  }

  request(method, key, body, headers = {}) {
    const url = new URL(this.sign(method, this.endpoint, key, 60));
    return new Promise((resolve, reject) => {
      const request = http.request(url, { method, headers, timeout: TIMEOUT }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode < 300) resolve();
          else reject(new Error(`the storage answered ${response.statusCode} to ${method}`));
        });
        response.on('error', reject);
      });
      request.on('timeout', () => request.destroy(new Error('the storage does not answer in time')));
      request.on('error', reject);
      request.end(body);
    });
  }
}

module.exports = { Storage };

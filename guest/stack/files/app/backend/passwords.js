'use strict';
// Password hashes: "scrypt:N:r:p:salt:hash", salt and hash in base64.

const crypto = require('node:crypto');

const N = 16384;
const R = 8;
const P = 1;
const LENGTH = 32; // bytes

function derive(password, salt, n, r, p) {
  return new Promise((resolve, reject) => {
    crypto.scrypt(password.normalize('NFKC'), salt, LENGTH, { N: n, r, p, maxmem: 256 * n * r }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

async function hash(password) {
  const salt = crypto.randomBytes(16);
  const key = await derive(password, salt, N, R, P);
  return ['scrypt', N, R, P, salt.toString('base64'), key.toString('base64')].join(':');
}

/** Says whether password is the one that stored was made from. Without stored it takes as long and says no. */
async function verify(password, stored) {
  const [scheme, n, r, p, salt, key] = (stored || `scrypt:${N}:${R}:${P}:AAAAAAAAAAAAAAAAAAAAAA==:`).split(':');
  if (scheme !== 'scrypt') throw new Error(`passwords: unknown scheme ${scheme}`);
  const want = Buffer.from(key, 'base64');
  const have = await derive(password, Buffer.from(salt, 'base64'), Number(n), Number(r), Number(p));
  return want.length === have.length && crypto.timingSafeEqual(want, have);
}

module.exports = { hash, verify };

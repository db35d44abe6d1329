'use strict';
// Access to PostgreSQL. Every statement has parameters; no value is ever part of its text.

// node-pg looks whether it runs on a certain cloud, by loading Node's whole fetch implementation where there is no
// navigator. Node has one from version 21 on; this is what it says.
globalThis.navigator ??= { userAgent: `Node.js/${process.versions.node.split('.')[0]}` };

const pg = require('pg');

const DEFAULT_URL = 'postgres://stack@/stack?host=/run/postgresql';

// Times in milliseconds. A database that is away is noticed within CONNECT_TIMEOUT, and since nothing is remembered of a
// failure, the first query after its return works.
const CONNECT_TIMEOUT = 2_000;
const QUERY_TIMEOUT = 5_000;
const IDLE_TIMEOUT = 60_000;

class Database {
  constructor(env) {
    this.pool = new pg.Pool({
      ...connection(env.STACK_DATABASE_CONNECTION_STRING || DEFAULT_URL),
      max: 8,
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      query_timeout: QUERY_TIMEOUT,
      statement_timeout: QUERY_TIMEOUT,
      idleTimeoutMillis: IDLE_TIMEOUT,
      allowExitOnIdle: true,
    });
    // A connection that breaks while idle is dropped from the pool; without a listener it would end the process.
    this.pool.on('error', (error) => console.error(`backend: database: ${error.message}`));
  }

  /** Runs one statement and returns its rows. */
  async rows(text, values) {
    return (await this.pool.query(text, values)).rows;
  }

  /** Runs one statement and returns its first row, or undefined. */
  async row(text, values) {
    return (await this.rows(text, values))[0];
  }

  /** Runs work(query) in one transaction, where query is like row(). */
  async transaction(work) {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(async (text, values) => (await client.query(text, values)).rows[0]);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      await client.query('ROLLBACK').then(() => client.release(), () => client.release(true));
      throw error;
    }
  }

  close() {
    return this.pool.end();
  }
}

// A socket directory has no place in the host part of a URL; node-pg wants it as "host".
function connection(url) {
  const match = /^postgres(?:ql)?:\/\/([^:@/]+)@\/([^?]+)\?host=(\/.+)$/.exec(url);
  if (!match) return { connectionString: url };
  return { user: decodeURIComponent(match[1]), database: decodeURIComponent(match[2]), host: decodeURIComponent(match[3]) };
}

module.exports = { Database, connection };

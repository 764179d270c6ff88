// node-postgres and postgres.js as applications use them: node node_postgres.js URL REGION.
'use strict';
const { Client, Pool, types } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');
const copy = require('pg-copy-streams');
const postgres = require('postgres');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const { step, denied } = require('./steps.js');

const [url, region] = process.argv.slice(2);
const plainUrl = url.split('?')[0];
const COLUMNS = 'title, level, levels, uid, tags, numbers, document, raw, price, seen, made, day, hour, span, body, days, spread, ' +
  'ratio, single, flag, small, spot, address, home, letter, code, many';

async function client() {
  const one = new Client({ connectionString: plainUrl, application_name: 'node_postgres', statement_timeout: 20000,
    lock_timeout: 5000, idle_in_transaction_session_timeout: 60000, keepAlive: true, options: '-c search_path=public' });
  await one.connect();
  const rows = async (...query) => (await one.query(...query)).rows;
  await step('rows', () => rows('SELECT id, name FROM customers ORDER BY id'));
  await step('types', () => rows(`SELECT ${COLUMNS} FROM papers ORDER BY id LIMIT 1`));
  await step('binary', () => rows({ text: 'SELECT id, price, flag, title, small FROM papers WHERE id > $1 ORDER BY id', values: [0], binary: true }));
  await step('fields', async () => (await one.query('SELECT id, name, level::text FROM customers')).fields.map((f) => [f.name, f.dataTypeID, f.format]));
  for (const id of [0, 1, 2]) {
    await step(`named ${id}`, () => rows({ name: 'by id', text: 'SELECT id, name FROM customers WHERE id > $1 AND level = ANY($2) ORDER BY id', values: [id, ['gold', 'silver', 'bronze']] }));
  }
  await step('arrays', async () => (await one.query({ text: 'SELECT id, name FROM customers WHERE id = ANY($1::int[]) ORDER BY 1', values: [[1, 4]], rowMode: 'array' })).rows);
  await step('several statements', async () => (await one.query('SELECT 1 AS a; SELECT count(*) FROM customers')).map((r) => r.rows));
  await step('multiple results', async () => (await one.query("BEGIN; SELECT id FROM customers ORDER BY id LIMIT 1; COMMIT")).map((r) => [r.command, r.rowCount]));
  await one.query('BEGIN');
  await step('insert', () => rows(
    'INSERT INTO papers (region, title, tags, document, uid, seen, body, flag, price, numbers, level) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11) ' +
    'RETURNING title, tags, document, uid, seen, body, flag, price, numbers, level',
    [region, "it's", ['a', 'b,"c"', null], { a: [1, null] }, '00000000-0000-4000-8000-000000000042', new Date(Date.UTC(2025, 0, 2)), Buffer.from([0, 255]),
      true, '12.5', [1, null], 'gold']));
  await step('update', async () => (await one.query('UPDATE papers SET price = price + $1 WHERE title = $2', [1, "it's"])).rowCount);
  await step('unnest', async () => (await one.query('INSERT INTO papers (region, title) SELECT * FROM unnest($1::text[], $2::text[])', [[region, region], ['n1', 'n2']])).rowCount);
  await step('json rows', async () => (await one.query('INSERT INTO papers (region, title, price) SELECT region, title, price FROM jsonb_to_recordset($1::jsonb) AS r (region text, title text, price numeric) RETURNING title', [JSON.stringify([{ region, title: 'j1', price: 3 }])])).rows);
  await one.query('SAVEPOINT a');
  await step('error', () => rows('INSERT INTO papers (region, title) VALUES ($1, $2)', [region, 'n1']));
  await one.query('ROLLBACK TO SAVEPOINT a');
  await step('after the savepoint', () => rows("SELECT count(*) FROM papers WHERE title IN ('n1', 'n2')"));
  await step('delete', async () => (await one.query('DELETE FROM papers WHERE title = $1', ['n1'])).rowCount);
  await one.query('ROLLBACK');
  if (region !== 'East') await step('new row outside', () => rows("INSERT INTO papers (region, title) VALUES ('Nowhere', $1)", ['x']));
  await step('cursor', async () => {
    const cursor = one.query(new Cursor('SELECT id FROM papers WHERE id > $1 ORDER BY id', [0]));
    const answer = [await cursor.read(2), await cursor.read(100), await cursor.read(2)];
    await cursor.close();
    return answer;
  });
  await step('stream', async () => {
    const answer = [];
    for await (const row of one.query(new QueryStream('SELECT id FROM customers WHERE id > $1 ORDER BY id', [0], { batchSize: 2 }))) answer.push(row.id);
    return answer;
  });
  await step('copy out', async () => {
    let text = '';
    for await (const chunk of one.query(copy.to('COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT WITH CSV'))) text += chunk;
    return text;
  });
  await step('~copy in', async () => {
    await one.query('BEGIN');
    const target = one.query(copy.from('COPY papers (region, title, price) FROM STDIN'));
    await pipeline(Readable.from([`${region}\tc1\t1\n`, `${region}\tc2\t2\n`]), target);
    const answer = [target.rowCount, (await one.query("SELECT title FROM papers WHERE title ~ '^c' ORDER BY 1")).rows];
    await one.query('ROLLBACK');
    return answer;
  });
  await one.query('ROLLBACK');
  await step('empty', async () => (await one.query('')).command);
  await step('syntax', () => rows('SELEC 1'));
  await denied('payroll', () => rows('SELECT * FROM payroll'));
  await step('~listen', () => rows('LISTEN news'));
  await step('at once', async () => (await Promise.all([1, 2, 3].map((n) => rows('SELECT $1::int AS n, count(*) FROM customers', [n])))).flat());
  await one.end();
}

async function pool() {
  const several = new Pool({ connectionString: plainUrl, max: 3, idleTimeoutMillis: 1000 });
  for (const answer of await Promise.all([0, 1, 2, 3, 4, 5].map((id) => several.query('SELECT count(*) FROM customers WHERE id > $1', [id])))) {
    console.log('pool:', JSON.stringify(answer.rows));
  }
  await several.end();
}

async function postgresJs() {
  const sql = postgres(plainUrl, { max: 2, onnotice: () => {}, connection: { application_name: 'postgres.js', statement_timeout: 20000 } });
  await step('js rows', () => sql`SELECT id, name, level FROM customers WHERE id > ${0} ORDER BY id`);
  await step('js types', () => sql`SELECT title, levels, tags, numbers, document, price, seen, day, body, flag FROM papers ORDER BY id LIMIT 1`);
  await step('js in', () => sql`SELECT id FROM customers WHERE id IN ${sql([1, 4])} ORDER BY id`);
  await step('js array', () => sql`SELECT id FROM customers WHERE level = ANY(${['gold']}::level[]) ORDER BY id`);
  await step('js write', () => sql.begin(async (tx) => {
    const rows = await tx`INSERT INTO papers ${tx([{ region, title: 'p1', price: 1, tags: ['x'], document: { a: 1 } }, { region, title: 'p2', price: 2, tags: [], document: [] }])} RETURNING title, tags, document`;
    await tx.savepoint((sp) => sp`UPDATE papers SET ${sp({ price: 7 })} WHERE title = ${'p1'}`);
    const after = await tx`SELECT title, price FROM papers WHERE title IN ('p1', 'p2') ORDER BY 1`;
    await tx`DELETE FROM papers WHERE title IN ('p1', 'p2')`;
    return [rows, after];
  }));
  await step('js cursor', async () => {
    const answer = [];
    for await (const rows of sql`SELECT id FROM papers ORDER BY id`.cursor(2)) answer.push(rows);
    return answer;
  });
  await step('js describe', async () => (await sql`SELECT id, name FROM customers WHERE id = ${1}`.describe()).columns.map((c) => [c.name, c.type]));
  await step('js simple', () => sql`SELECT 1; SELECT count(*) FROM customers`.simple());
  await step('js unsafe', () => sql.unsafe('SELECT count(*) FROM customers WHERE id > $1', [0], { prepare: true }));
  await denied('js payroll', () => sql`SELECT * FROM payroll`);
  await sql.end();
}

client().then(pool).then(postgresJs).catch((error) => { console.log('broken:', error.message); process.exit(1); });

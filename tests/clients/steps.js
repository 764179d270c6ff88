// Steps of a client program, as in steps.py: each prints one line `name: answer` or `name: ERROR sqlstate`.
'use strict';

const DENIED = ['42501', '42P01', '0A000'];

function sqlstate(error) {
  for (let at = error, seen = 0; at && seen < 5; at = at.cause || at.parent || at.original || at.driverError, seen++) {
    if (at.code && /^[0-9A-Z]{5}$/.test(at.code)) return at.code;
  }
  return 'none';
}

function show(value) {
  return JSON.stringify(value, (_, one) => {
    if (typeof one === 'bigint') return `${one}n`;
    if (one && one.type === 'Buffer') return Buffer.from(one.data).toString('hex');
    return one;
  });
}

function note(name, error) {
  if (process.env.STEPS_VERBOSE) console.error(`    ${name}: ${error.name}: ${String(error.message).replace(/\s+/g, ' ').slice(0, 700)}`);
  return sqlstate(error);
}

async function step(name, work) {
  let answer;
  try {
    answer = show(await work());
  } catch (error) {
    answer = `ERROR ${note(name, error)}`;
  }
  console.log(`${name}: ${answer}`);
}

async function denied(name, work) {
  let answer;
  try {
    answer = `NOT DENIED: ${show(await work())}`;
  } catch (error) {
    const code = note(name, error);
    answer = DENIED.includes(code) ? 'denied' : `ERROR ${code}`;
  }
  console.log(`${name}: ${answer}`);
}

module.exports = { step, denied };

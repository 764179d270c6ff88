// node-postgres, one pool for everybody: acting_node.js URL PERSON...
// Prints `person: regions` for each person, asked at once.
const { Pool } = require("pg");

const [url, ...people] = process.argv.slice(2);

// README: begin
const pool = new Pool({ connectionString: url, max: 2 }); // postgresql://app:…@pgcordon/shop

async function actFor(person, work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT set_config('pgcordon.user', $1, true)", [person]);
    const answer = await work(client);
    await client.query("COMMIT");
    return answer;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}
// README: end

const regions = (person) =>
  actFor(person, async (client) => {
    const sql = "SELECT DISTINCT region FROM customers WHERE id > $1 ORDER BY 1";
    const { rows } = await client.query({ name: "regions", text: sql, values: [0] });
    return `${person}: ${rows.map((row) => row.region).join(",")}`;
  });

(async () => {
  const often = Array.from({ length: 20 }, () => people).flat();
  const answers = await Promise.all(often.map(regions));
  console.log([...new Set(answers)].sort().join("\n"));
  await regions("nobody").catch((error) => console.log("nobody:", error.code));
  await pool.end();
})();

// Knex, Sequelize, TypeORM, Kysely and Drizzle: queries, writes and what they ask of the catalog: node node_orms.js URL REGION.
'use strict';
require('reflect-metadata');
const knexOf = require('knex');
const { Sequelize, DataTypes, Op } = require('sequelize');
const { DataSource, EntitySchema } = require('typeorm');
const { Kysely, PostgresDialect } = require('kysely');
const { drizzle } = require('drizzle-orm/node-postgres');
const drizzled = require('drizzle-orm/pg-core');
const { eq, gt } = require('drizzle-orm');
const { Pool } = require('pg');
const { step, denied } = require('./steps.js');

const [given, region] = process.argv.slice(2);
const url = given.split('?')[0];

async function knex() {
  const db = knexOf({ client: 'pg', connection: url, searchPath: ['public'], pool: { min: 1, max: 2 } });
  await step('knex rows', () => db('customers').select('id', 'name').whereIn('id', [1, 2, 4]).orderBy('id'));
  await step('knex join', () => db('notes as n').join('papers as p', 'p.id', 'n.paper_id').select('n.text', 'p.title').orderBy('n.id'));
  await step('knex count', () => db('papers').count('* as n').sum('price as total').groupBy('region').orderBy('region'));
  await step('knex json', () => db('papers').whereJsonObject('document', { g: 1 }).orWhereRaw('document ->> ? = ?', ['g', '2']).pluck('title'));
  await step('knex columns', async () => Object.entries(await db('papers').columnInfo()).sort());
  await step('knex has table', async () => [await db.schema.hasTable('papers'), await db.schema.hasColumn('papers', 'title')]);
  await step('~knex payroll', () => db.schema.hasTable('payroll'));
  await step('knex write', () => db.transaction(async (tx) => {
    const made = await tx('papers').insert([{ region, title: 'k1', price: 1 }, { region, title: 'k2', price: 2 }]).returning(['title', 'level']);
    await tx('papers').where({ title: 'k1' }).update({ price: db.raw('price + 1') }).increment('small', 1);
    await tx('papers').insert({ region, title: 'k1', price: 5 }).onConflict(['region', 'title']).merge(['price']);
    const nested = await tx.transaction((inner) => inner('papers').where('title', 'k1').select('price'));
    const locked = await tx('papers').where('title', 'k2').forUpdate().skipLocked().select('title');
    return [made, nested, locked, await tx('papers').whereIn('title', ['k1', 'k2']).del()];
  }));
  await step('knex migrations', async () => db.schema.hasTable('knex_migrations'));
  await denied('knex payroll', () => db('payroll').select());
  await db.destroy();
}

async function sequelize() {
  const db = new Sequelize(url, { logging: false, pool: { max: 2 } });
  await step('sequelize authenticate', () => db.authenticate().then(() => true));
  const Paper = db.define('paper', {
    region: DataTypes.TEXT, title: DataTypes.STRING, level: DataTypes.ENUM('bronze', 'silver', 'gold'), uid: DataTypes.UUID,
    tags: DataTypes.ARRAY(DataTypes.TEXT), document: DataTypes.JSONB, price: DataTypes.DECIMAL, seen: DataTypes.DATE, day: DataTypes.DATEONLY,
    body: DataTypes.BLOB, flag: DataTypes.BOOLEAN, days: DataTypes.RANGE(DataTypes.DATEONLY), id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
  }, { tableName: 'papers', timestamps: false });
  const Note = db.define('note', { region: DataTypes.TEXT, text: DataTypes.TEXT }, { tableName: 'notes', timestamps: false });
  Paper.hasMany(Note, { foreignKey: 'paper_id' });
  Note.belongsTo(Paper, { foreignKey: 'paper_id' });
  await step('sequelize rows', () => Paper.findAll({ order: ['id'], limit: 2, raw: true }));
  await step('sequelize include', async () => (await Paper.findAll({ include: Note, order: ['id'] })).map((p) => [p.title, p.notes.length]));
  await step('sequelize where', () => Paper.findAll({ attributes: ['title'], where: { price: { [Op.gt]: 1 }, tags: { [Op.contains]: ['a'] }, document: { g: { [Op.gte]: 2 } } }, order: ['id'], raw: true }));
  await step('sequelize count', () => Paper.findAndCountAll({ where: { title: { [Op.iLike]: '%o%' } }, attributes: ['title'], order: ['id'], limit: 1, raw: true }));
  await step('sequelize write', () => db.transaction({ isolationLevel: 'REPEATABLE READ' }, async (transaction) => {
    const paper = await Paper.create({ region, title: 's1', tags: ['a', 'b'], document: { a: 1 }, price: '1.5', level: 'gold', flag: true, body: Buffer.from('x') }, { transaction });
    await paper.update({ title: 's1b' }, { transaction });
    const many = await Paper.bulkCreate([{ region, title: 's2' }, { region, title: 's3' }], { transaction, returning: ['title'] });
    const upsert = await Paper.upsert({ region, title: 's2', price: 3 }, { transaction, conflictFields: ['region', 'title'], returning: ['title', 'price'] });
    const locked = await Paper.findAll({ where: { title: 's3' }, lock: transaction.LOCK.UPDATE, skipLocked: true, transaction });
    const gone = await Paper.destroy({ where: { title: { [Op.startsWith]: 's' } }, transaction });
    return [paper.title, paper.level, many.map((p) => p.title), upsert[0].price, locked.length, gone];
  }));
  const q = db.getQueryInterface();
  await step('~sequelize tables', async () => (await q.showAllTables()).sort());
  await step('sequelize describe', async () => Object.entries(await q.describeTable('papers')).sort());
  await step('sequelize indexes', () => q.showIndex('papers'));
  await step('sequelize references', () => q.getForeignKeyReferencesForTable('notes'));
  await step('~sequelize constraints', async () => (await q.showConstraint('papers')).length);
  await step('sequelize enums', () => db.query(db.getQueryInterface().queryGenerator.pgListEnums('papers', 'level')).then((r) => r[0]));
  await db.close();
}

async function typeorm() {
  const Paper = new EntitySchema({ name: 'Paper', tableName: 'papers', columns: {
    id: { type: 'bigint', primary: true, generated: 'increment' }, region: { type: 'text' }, title: { type: 'varchar' },
    level: { type: 'enum', enum: ['bronze', 'silver', 'gold'], enumName: 'level', default: 'bronze' }, tags: { type: 'text', array: true, nullable: true },
    document: { type: 'jsonb', nullable: true }, price: { type: 'numeric', nullable: true }, seen: { type: 'timestamptz', nullable: true } },
  relations: { notes: { type: 'one-to-many', target: 'Note', inverseSide: 'paper' } } });
  const Note = new EntitySchema({ name: 'Note', tableName: 'notes', columns: { id: { type: 'int', primary: true, generated: true }, region: { type: 'text' }, text: { type: 'text' } },
    relations: { paper: { type: 'many-to-one', target: 'Paper', joinColumn: { name: 'paper_id' } } } });
  const db = new DataSource({ type: 'postgres', url, entities: [Paper, Note], synchronize: false, logging: false, installExtensions: false });
  await db.initialize();
  const papers = db.getRepository(Paper);
  await step('typeorm rows', () => papers.find({ order: { id: 'ASC' }, take: 2 }));
  await step('typeorm relations', () => papers.find({ relations: { notes: true }, order: { id: 'ASC', notes: { id: 'ASC' } }, take: 2 }));
  await step('typeorm builder', () => papers.createQueryBuilder('p').leftJoinAndSelect('p.notes', 'n').where('p.price > :price', { price: 1 }).orderBy('p.id', 'ASC').addOrderBy('n.id', 'ASC').getManyAndCount());
  await step('typeorm write', () => db.transaction('SERIALIZABLE', async (manager) => {
    const paper = await manager.save(Paper, { region, title: 't1', tags: ['a'], document: { a: 1 } });
    paper.title = 't2';
    await manager.save(Paper, paper);
    await manager.upsert(Paper, [{ region, title: 't2', price: 4 }], ['region', 'title']);
    const inserted = await manager.insert(Note, { region, text: 'x', paper: { id: paper.id } });
    const again = await manager.findOneBy(Paper, { title: 't2' });
    return [paper.level, inserted.identifiers.length, again.price, (await manager.delete(Note, { text: 'x' })).affected, (await manager.remove(Paper, again)).title];
  }));
  await step('typeorm introspection', async () => {
    const runner = db.createQueryRunner();
    const tables = await runner.getTables(['papers', 'customers']);
    await runner.release();
    return tables.sort((a, b) => a.name.localeCompare(b.name)).map((t) => [t.name, t.columns.sort((a, b) => a.name.localeCompare(b.name)).map((c) => [c.name, c.type, c.isNullable, c.default, c.isGenerated, c.isArray, c.enum, c.comment]), t.indices.map((i) => [i.name, i.columnNames, i.isUnique, i.where]),
      t.foreignKeys.map((f) => [f.columnNames, f.referencedTableName, f.onDelete]), t.checks.map((c) => c.expression), t.uniques.length]);
  });
  await step('typeorm synchronisation', async () => (await db.driver.createSchemaBuilder().log()).upQueries.length > 0);
  await step('typeorm stream', async () => (await papers.createQueryBuilder('p').select('p.id').orderBy('p.id').getRawMany()).length);
  await db.destroy();
}

async function builders() {
  const pool = new Pool({ connectionString: url, max: 2 });
  const db = new Kysely({ dialect: new PostgresDialect({ pool }) });
  await step('kysely rows', () => db.selectFrom('customers').select(['id', 'name']).where('id', '>', 0).orderBy('id').execute());
  await step('kysely write', () => db.transaction().setIsolationLevel('serializable').execute(async (tx) => {
    const made = await tx.insertInto('papers').values({ region, title: 'y1', price: 1 }).returning(['title', 'price']).execute();
    const put = await tx.insertInto('papers').values({ region, title: 'y1', price: 3 }).onConflict((c) => c.columns(['region', 'title']).doUpdateSet((e) => ({ price: e.ref('excluded.price') }))).returning('price').execute();
    return [made, put, await tx.deleteFrom('papers').where('title', '=', 'y1').executeTakeFirst()];
  }));
  await step('kysely introspection', async () => (await db.introspection.getTables()).filter((t) => ['papers', 'notes', 'titles'].includes(t.name)).map((t) => [t.name, t.isView, t.columns.map((c) => [c.name, c.dataType, c.isNullable, c.hasDefaultValue, c.isAutoIncrementing])]));
  await step('~kysely tables', async () => (await db.introspection.getTables()).map((t) => `${t.schema}.${t.name}`).sort());
  await step('~kysely schemas', async () => (await db.introspection.getSchemas()).map((s) => s.name).sort());
  const papers = drizzled.pgTable('papers', { id: drizzled.bigserial('id', { mode: 'number' }).primaryKey(), region: drizzled.text('region'), title: drizzled.text('title'), price: drizzled.numeric('price'), tags: drizzled.text('tags').array() });
  const other = drizzle(pool);
  await step('drizzle rows', () => other.select({ title: papers.title, tags: papers.tags }).from(papers).where(gt(papers.price, '1')).orderBy(papers.id));
  await step('drizzle write', () => other.transaction(async (tx) => {
    const made = await tx.insert(papers).values([{ region, title: 'd1', tags: ['q'] }, { region, title: 'd2' }]).returning({ title: papers.title, tags: papers.tags });
    const put = await tx.insert(papers).values({ region, title: 'd1', price: '2' }).onConflictDoUpdate({ target: [papers.region, papers.title], set: { price: '9' } }).returning({ price: papers.price });
    await tx.transaction(async (inner) => inner.delete(papers).where(eq(papers.title, 'd2')));
    return [made, put, (await tx.delete(papers).where(eq(papers.title, 'd1'))).rowCount];
  }));
  await pool.end();
}

(async () => {
  for (const part of [knex, sequelize, typeorm, builders]) {
    try {
      await part();
    } catch (error) {
      console.log(`${part.name} broken: ${error.message}`);
    }
  }
})();

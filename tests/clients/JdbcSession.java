// The JDBC driver as applications and BI tools use it: java -cp postgresql.jar JdbcSession.java HOST:PORT/DATABASE USER PASSWORD REGION.
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.time.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PGobject;

public class JdbcSession {
    interface Work { Object run() throws Exception; }

    static final Set<String> DENIED = Set.of("42501", "42P01", "0A000");
    static String region;
    static Connection connection;

    static String state(Throwable error) {
        if (System.getenv("STEPS_VERBOSE") != null) System.err.println("    " + error);
        return error instanceof SQLException sql && sql.getSQLState() != null ? sql.getSQLState() : "none " + error;
    }

    static void step(String name, Work work) {
        String answer;
        try { answer = String.valueOf(work.run()); } catch (Throwable error) { answer = "ERROR " + state(error); }
        System.out.println(name + ": " + answer);
    }

    static void denied(String name, Work work) {
        String answer;
        try { answer = "NOT DENIED: " + work.run(); } catch (Throwable error) {
            String code = state(error);
            answer = DENIED.contains(code) ? "denied" : "ERROR " + code;
        }
        System.out.println(name + ": " + answer);
    }

    static Object shown(Object value) {
        if (value instanceof byte[] bytes) return HexFormat.of().formatHex(bytes);
        if (value instanceof java.sql.Array array) return array.toString();
        return value;
    }

    static List<List<Object>> all(ResultSet rows) throws SQLException {
        List<List<Object>> answer = new ArrayList<>();
        int width = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            List<Object> row = new ArrayList<>();
            for (int column = 1; column <= width; column++) row.add(shown(rows.getObject(column)));
            answer.add(row);
        }
        return answer;
    }

    static List<String> some(ResultSet rows, String... columns) throws SQLException {
        List<String> answer = new ArrayList<>();
        while (rows.next()) {
            StringBuilder row = new StringBuilder();
            for (String column : columns) row.append(rows.getString(column)).append('|');
            answer.add(row.toString());
        }
        return answer;
    }

    static List<List<Object>> ask(String text, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
            return all(statement.executeQuery());
        }
    }

    static int change(String text, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            for (int index = 0; index < values.length; index++) statement.setObject(index + 1, values[index]);
            return statement.executeUpdate();
        }
    }

    static void reads() throws SQLException {
        step("rows", () -> ask("SELECT id, name FROM customers ORDER BY id"));
        String columns = "title, level, levels, uid, tags, numbers, document, raw, price, seen, made, day, hour, span, body, days, spread, "
            + "ratio, single, flag, small, spot, address, home, letter, code, many";
        for (int run = 1; run <= 7; run++) {
            // From the fifth run on by a named statement and in binary.
            step("types " + run, () -> ask("SELECT " + columns + " FROM papers WHERE price > ? ORDER BY id LIMIT 1", new BigDecimal("0")));
        }
        step("binds", () -> ask("SELECT id FROM papers WHERE region = ? AND price >= ? AND day > ? AND flag IS NOT NULL AND seen > ? ORDER BY id",
            region, new BigDecimal("1.25"), LocalDate.of(2025, 1, 1), OffsetDateTime.of(2025, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC)));
        step("array", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM customers WHERE id = ANY(?) ORDER BY id")) {
                statement.setArray(1, connection.createArrayOf("int4", new Integer[] {1, 4, 6}));
                return all(statement.executeQuery());
            }
        });
        step("simple", () -> { try (Statement s = connection.createStatement()) { return all(s.executeQuery("SELECT id, name FROM customers ORDER BY id")); } });
        step("several", () -> {
            try (Statement s = connection.createStatement()) {
                List<Object> answer = new ArrayList<>();
                boolean rows = s.execute("SELECT 1; SELECT count(*) FROM customers; UPDATE notes SET text = text WHERE false");
                while (rows || s.getUpdateCount() != -1) {
                    answer.add(rows ? all(s.getResultSet()) : s.getUpdateCount());
                    rows = s.getMoreResults();
                }
                return answer;
            }
        });
        step("escapes", () -> ask("SELECT {fn ucase(name)}, {d '2025-01-02'}, {fn concat(name, 'x')} FROM customers WHERE {fn length(name)} > 3 ORDER BY id"));
        step("metadata of a result", () -> {
            try (PreparedStatement s = connection.prepareStatement("SELECT c.id, c.name AS title, o.amount FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = ?")) {
                ResultSetMetaData data = s.getMetaData();
                List<String> answer = new ArrayList<>();
                for (int column = 1; column <= data.getColumnCount(); column++) {
                    answer.add(data.getColumnLabel(column) + "/" + data.getColumnTypeName(column) + "/" + data.isNullable(column));
                }
                answer.add(s.getParameterMetaData().getParameterTypeName(1));
                return answer;
            }
        });
        step("fetch size", () -> {
            connection.setAutoCommit(false);
            try (Statement s = connection.createStatement()) {
                s.setFetchSize(2);
                List<Object> answer = new ArrayList<>();
                ResultSet rows = s.executeQuery("SELECT id FROM papers ORDER BY id");
                while (rows.next()) {
                    answer.add(rows.getLong(1));
                    if (answer.size() == 3) answer.add(ask("SELECT count(*) FROM regions"));
                }
                return answer;
            } finally { connection.commit(); connection.setAutoCommit(true); }
        });
        step("scrollable", () -> {
            try (Statement s = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
                ResultSet rows = s.executeQuery("SELECT id FROM customers ORDER BY id");
                rows.last();
                long last = rows.getLong(1);
                rows.first();
                return rows.getLong(1) + " " + last;
            }
        });
        step("max rows", () -> { try (Statement s = connection.createStatement()) { s.setMaxRows(2); return all(s.executeQuery("SELECT id FROM customers ORDER BY id")); } });
        if (connection.getMetaData().getURL().endsWith("public")) step("timeout", () -> { try (Statement s = connection.createStatement()) { s.setQueryTimeout(1); return all(s.executeQuery("SELECT count(*) FROM generate_series(1, 1000000000) g WHERE g % 7 = 3")); } });
        step("valid", () -> connection.isValid(5));
    }

    static void writes() throws SQLException {
        connection.setAutoCommit(false);
        step("generated keys", () -> {
            try (PreparedStatement s = connection.prepareStatement("INSERT INTO papers (region, title, level, tags, document, uid, price, seen, body, flag) VALUES (?, ?, ?::level, ?, ?, ?, ?, ?, ?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                s.setString(1, region); s.setString(2, "jdbc"); s.setString(3, "gold");
                s.setArray(4, connection.createArrayOf("text", new String[] {"a", null, "b,c"}));
                PGobject json = new PGobject(); json.setType("jsonb"); json.setValue("{\"a\": 1}"); s.setObject(5, json);
                s.setObject(6, new UUID(0, 9)); s.setBigDecimal(7, new BigDecimal("1.50"));
                s.setTimestamp(8, Timestamp.from(Instant.parse("2025-01-02T03:04:05Z"))); s.setBytes(9, new byte[] {0, -1}); s.setBoolean(10, true);
                int count = s.executeUpdate();
                ResultSet keys = s.getGeneratedKeys();
                keys.next();
                return count + " " + (keys.getLong("id") > 0) + " " + keys.getString("title") + " " + keys.getString("level");
            }
        });
        connection.rollback();
        step("named keys", () -> {
            try (PreparedStatement s = connection.prepareStatement("INSERT INTO papers (region, title) VALUES (?, ?)", new String[] {"id", "title"})) {
                s.setString(1, region); s.setString(2, "jdbc named"); s.executeUpdate();
                ResultSet keys = s.getGeneratedKeys(); keys.next();
                return keys.getMetaData().getColumnCount() + keys.getString(2);
            }
        });
        step("batch", () -> {
            try (PreparedStatement s = connection.prepareStatement("INSERT INTO papers (region, title, price) VALUES (?, ?, ?)")) {
                for (int number = 1; number <= 300; number++) { s.setString(1, region); s.setString(2, "b" + number); s.setInt(3, number); s.addBatch(); }
                return s.executeBatch().length + " " + ask("SELECT count(*), sum(price) FROM papers WHERE title ~ '^b[0-9]'");
            }
        });
        step("batch with keys", () -> {
            try (PreparedStatement s = connection.prepareStatement("INSERT INTO papers (region, title) VALUES (?, ?)", new String[] {"title"})) {
                for (int number = 1; number <= 5; number++) { s.setString(1, region); s.setString(2, "k" + number); s.addBatch(); }
                s.executeBatch();
                return all(s.getGeneratedKeys());
            }
        });
        step("mixed batch", () -> {
            try (Statement s = connection.createStatement()) {
                s.addBatch("UPDATE papers SET price = 5 WHERE title = 'b1'");
                s.addBatch("DELETE FROM papers WHERE title IN ('b2', 'b3')");
                s.addBatch("INSERT INTO notes (region, paper_id, text) SELECT region, id, 'n' FROM papers WHERE title = 'b1'");
                return Arrays.toString(s.executeBatch());
            }
        });
        step("upsert", () -> ask("INSERT INTO papers (region, title, price) VALUES (?, 'b1', 1) ON CONFLICT (region, title) DO UPDATE SET price = papers.price + excluded.price RETURNING price", region));
        step("updatable", () -> {
            try (Statement s = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet rows = s.executeQuery("SELECT id, region, title, price FROM papers WHERE title = 'b5'");
                rows.next(); rows.updateBigDecimal("price", new BigDecimal("77")); rows.updateRow();
                rows.moveToInsertRow(); rows.updateString("region", region); rows.updateString("title", "inserted"); rows.updateLong("id", 1000000); rows.insertRow();
                return ask("SELECT title, price FROM papers WHERE title IN ('b5', 'inserted') ORDER BY title");
            }
        });
        step("savepoint", () -> {
            Savepoint point = connection.setSavepoint("here");
            int gone = change("DELETE FROM notes");
            connection.rollback(point);
            connection.releaseSavepoint(point);
            return gone + " " + ask("SELECT count(*) FROM notes");
        });
        step("copy out", () -> {
            StringWriter target = new StringWriter();
            long rows = new CopyManager(connection.unwrap(org.postgresql.core.BaseConnection.class)).copyOut("COPY (SELECT id, name FROM customers ORDER BY id) TO STDOUT (FORMAT csv)", target);
            return rows + " " + target.toString().replace("\n", ";");
        });
        step("~copy in", () -> new CopyManager(connection.unwrap(org.postgresql.core.BaseConnection.class)).copyIn("COPY papers (region, title) FROM STDIN", new StringReader(region + "\tcopied\n")));
        connection.rollback();
        if (!region.equals("East")) step("new row outside", () -> change("INSERT INTO papers (region, title) VALUES ('Nowhere', ?)", "x"));
        connection.rollback();
        step("failed batch", () -> {
            try (PreparedStatement s = connection.prepareStatement("INSERT INTO papers (region, title) VALUES (?, ?)")) {
                for (String title : new String[] {"f1", "f1", "f2"}) { s.setString(1, region); s.setString(2, title); s.addBatch(); }
                s.executeBatch();
                return "no error";
            } catch (BatchUpdateException error) { return error.getSQLState() + Arrays.toString(error.getUpdateCounts()); }
        });
        connection.rollback();
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        connection.setReadOnly(true);
        step("isolation", () -> connection.getTransactionIsolation() + " " + ask("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"));
        connection.rollback();
        connection.setReadOnly(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        connection.setAutoCommit(true);
    }

    static void introspection() throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        step("product", () -> data.getDatabaseProductName() + " " + data.getDatabaseMajorVersion() + " " + data.getMaxColumnNameLength());
        step("~tables", () -> some(data.getTables(null, null, "%", new String[] {"TABLE", "VIEW", "PARTITIONED TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
        step("~schemas", () -> some(data.getSchemas(), "TABLE_SCHEM"));
        step("~catalogs", () -> some(data.getCatalogs(), "TABLE_CAT"));
        step("tables of a name", () -> some(data.getTables(null, "public", "papers", null), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
        for (String table : new String[] {"papers", "notes", "items", "titles"}) {
            step("columns of " + table, () -> some(data.getColumns(null, "public", table, "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "COLUMN_DEF", "ORDINAL_POSITION", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN", "REMARKS"));
            step("key of " + table, () -> some(data.getPrimaryKeys(null, "public", table), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
            step("imported by " + table, () -> some(data.getImportedKeys(null, "public", table), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_NAME", "FKCOLUMN_NAME", "DELETE_RULE", "FK_NAME"));
            step("exported by " + table, () -> some(data.getExportedKeys(null, "public", table), "PKTABLE_NAME", "FKTABLE_NAME", "FK_NAME"));
            step("indexes of " + table, () -> some(data.getIndexInfo(null, "public", table, false, false), "INDEX_NAME", "NON_UNIQUE", "COLUMN_NAME", "ORDINAL_POSITION", "FILTER_CONDITION"));
            step("best row of " + table, () -> some(data.getBestRowIdentifier(null, "public", table, DatabaseMetaData.bestRowSession, true), "COLUMN_NAME", "TYPE_NAME"));
            step("version of " + table, () -> some(data.getVersionColumns(null, "public", table), "COLUMN_NAME"));
            step("~privileges of " + table, () -> some(data.getTablePrivileges(null, "public", table), "TABLE_NAME", "PRIVILEGE"));
            step("~column privileges of " + table, () -> some(data.getColumnPrivileges(null, "public", table, "%"), "COLUMN_NAME", "PRIVILEGE").size());
        }
        step("cross reference", () -> some(data.getCrossReference(null, "public", "papers", null, "public", "notes"), "FK_NAME", "PK_NAME"));
        step("types", () -> some(data.getTypeInfo(), "TYPE_NAME").contains("int8"));
        step("~udts", () -> some(data.getUDTs(null, "public", "%", null), "TYPE_NAME"));
        step("~functions", () -> some(data.getFunctions(null, "public", "%"), "FUNCTION_NAME"));
        step("~procedures", () -> some(data.getProcedures(null, "public", "%"), "PROCEDURE_NAME"));
        step("~function columns", () -> some(data.getFunctionColumns(null, "public", "%", "%"), "COLUMN_NAME"));
        step("~procedure columns", () -> some(data.getProcedureColumns(null, "public", "%", "%"), "COLUMN_NAME"));
        step("table types", () -> some(data.getTableTypes(), "TABLE_TYPE"));
        step("keywords", () -> data.getSQLKeywords().length() > 100);
        step("functions known", () -> data.getNumericFunctions().length() > 10);
        step("client info", () -> { connection.setClientInfo("ApplicationName", "jdbc"); return connection.getClientInfo("ApplicationName") + data.getMaxIndexLength() + some(data.getClientInfoProperties(), "NAME"); });
        step("schema", () -> { String before = connection.getSchema(); connection.setSchema("archive"); List<?> rows = ask("SELECT note FROM orders ORDER BY id"); connection.setSchema(before); return before + rows; });
        step("catalog", () -> connection.getCatalog() != null);
        step("enum type", () -> ask("SELECT level FROM papers WHERE level = 'gold'::level ORDER BY id LIMIT 1"));
        step("composite type", () -> { PreparedStatement s = connection.prepareStatement("SELECT home FROM papers ORDER BY id LIMIT 1"); ResultSet r = s.executeQuery(); r.next(); return ((PGobject) r.getObject(1)).getType() + r.getString(1) + r.getMetaData().getColumnTypeName(1); });
    }

    public static void main(String[] given) throws Exception {
        region = given[3];
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        for (String more : new String[] {"", "&preferQueryMode=simple", "&reWriteBatchedInserts=true&prepareThreshold=1&defaultRowFetchSize=3&binaryTransfer=true",
                "&preferQueryMode=extendedForPrepared&autosave=always&stringtype=unspecified&options=-c%20statement_timeout=20000"}) {
            System.out.println("--- " + more);
            connection = DriverManager.getConnection("jdbc:postgresql://" + given[0] + "?ApplicationName=jdbc_session&loginTimeout=10&tcpKeepAlive=true&currentSchema=public" + more, given[1], given[2]);
            reads();
            writes();
            denied("payroll", () -> ask("SELECT * FROM payroll"));
            if (more.isEmpty()) introspection();
            connection.close();
        }
    }
}

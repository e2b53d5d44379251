//! Who may own the schema, the table, and what the table executes.

use tokio::sync::OnceCell;
use tokio_postgres::Client;
use tower_refresh_core::SessionStore;
use tower_refresh_postgres::{OpenError, OpenErrorKind, PostgresOptions, PostgresStore};

use crate::support::{block_on, handle, row, server, unique};

const DATABASE: &str = "owners";

/// `owner` owns the database and `admin` the tables of some cases. `app` is the store's role. `mallory` may create schemas.
async fn client() -> Client {
    static DATABASE_CREATED: OnceCell<()> = OnceCell::const_new();
    let create = async || {
        let roles = "CREATE ROLE owner LOGIN; CREATE ROLE admin LOGIN; CREATE ROLE app LOGIN; CREATE ROLE mallory_ LOGIN";
        server().client("postgres").await.batch_execute(roles).await.expect("creates");
        server().create_database(DATABASE, "OWNER owner").await;
        let grant = "GRANT CREATE ON DATABASE owners TO admin, app, mallory_";
        server().client(DATABASE).await.batch_execute(grant).await.expect("grants");
    };
    DATABASE_CREATED.get_or_init(create).await;
    server().client(DATABASE).await
}

async fn open(options: PostgresOptions, role: &str) -> Result<PostgresStore, OpenError> {
    options.connect(&server().url(DATABASE).replace("postgres@", &format!("{role}@"))).await
}

/// A store's own tables, created by `role`, which `app` may use.
async fn created_by(role: &str, client: &Client) -> String {
    let schema = unique("owned");
    open(PostgresOptions::new().with_schema(&schema), role).await.expect("creates the tables");
    let grant = format!(
        "GRANT USAGE, CREATE ON SCHEMA {schema} TO app; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO app; \
         GRANT CREATE, USAGE ON SCHEMA {schema} TO mallory_"
    );
    client.batch_execute(&grant).await.expect("grants");
    schema
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_another_role_has_put_in_the_place_of_the_tables_is_rejected() {
    const FUNCTION: &str = "CREATE FUNCTION {s}.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; \
        ALTER FUNCTION {s}.spy() OWNER TO mallory_;";
    // What was done to tables of `admin`, which is trusted; what the error names.
    let cases = [
        ("ALTER SCHEMA {s} OWNER TO mallory_", "the schema {s}"),
        ("ALTER TABLE {s}.sessions OWNER TO mallory_", "the table sessions"),
        ("ALTER TABLE {s}.sessions_version OWNER TO mallory_", "the table sessions_version"),
        // Without a table: the role created the schema first.
        (
            "DROP TABLE {s}.sessions, {s}.sessions_version; ALTER SCHEMA {s} OWNER TO mallory_",
            "the schema {s}",
        ),
        // It was granted the right to create triggers.
        (
            "CREATE TRIGGER spy BEFORE UPDATE ON {s}.sessions FOR EACH ROW EXECUTE FUNCTION {s}.spy()",
            "the function spy, which the trigger spy uses,",
        ),
        // It created the table, which got another owner later. Its functions did not.
        (
            "CREATE FUNCTION {s}.spies(bytea) RETURNS bytea IMMUTABLE LANGUAGE sql AS 'SELECT $1'; \
             CREATE INDEX spied ON {s}.sessions ({s}.spies(handle)); \
             ALTER FUNCTION {s}.spies OWNER TO mallory_",
            "the function spies, which the index {s}.spied uses,",
        ),
        (
            "CREATE FUNCTION {s}.chosen() RETURNS text LANGUAGE sql AS 'SELECT null::text'; \
             ALTER TABLE {s}.sessions ALTER label SET DEFAULT {s}.chosen(); \
             ALTER FUNCTION {s}.chosen OWNER TO mallory_",
            "the function chosen, which a default uses,",
        ),
        (
            "CREATE FUNCTION {s}.agrees(bytea) RETURNS boolean LANGUAGE sql AS 'SELECT true'; \
             ALTER TABLE {s}.sessions ADD CONSTRAINT agreed CHECK ({s}.agrees(handle)); \
             ALTER FUNCTION {s}.agrees OWNER TO mallory_",
            "the function agrees, which the constraint agreed uses,",
        ),
        (
            "CREATE FUNCTION {s}.sees(bytea) RETURNS boolean LANGUAGE sql AS 'SELECT true'; \
             CREATE POLICY seen ON {s}.sessions USING ({s}.sees(handle)); \
             ALTER FUNCTION {s}.sees OWNER TO mallory_",
            "the function sees, which the policy seen uses,",
        ),
        (
            "CREATE FUNCTION {s}.looks(text) RETURNS text LANGUAGE sql AS 'SELECT $1'; \
             ALTER TABLE {s}.sessions RENAME TO stolen; \
             CREATE VIEW {s}.sessions AS SELECT {s}.looks(subject) AS subject FROM {s}.stolen; \
             ALTER FUNCTION {s}.looks OWNER TO mallory_",
            "the function looks, which the rule \"_RETURN\" uses,",
        ),
        (
            "CREATE DOMAIN {s}.words AS text; ALTER TABLE {s}.sessions ALTER label TYPE {s}.words; \
             ALTER DOMAIN {s}.words OWNER TO mallory_",
            "the type words, which the table sessions uses,",
        ),
    ];
    block_on(async {
        let client = client().await;
        for (done, named) in cases {
            let schema = created_by("admin", &client).await;
            let function = FUNCTION.replace("{s}", &schema);
            client.batch_execute(&function).await.expect("creates");
            client.batch_execute(&done.replace("{s}", &schema)).await.expect(done);
            let options = || PostgresOptions::new().with_schema(&schema).with_trusted_owner("admin");
            let error = open(options(), "app").await.expect_err(done);
            assert_eq!(error.kind(), OpenErrorKind::UntrustedOwner, "{done}");
            let expected = format!("{} belongs to the role \"mallory_\"", named.replace("{s}", &schema));
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert!(error.to_string().contains("with_trusted_owner"), "{error}");
            if !done.contains("VIEW") {
                open(options().with_trusted_owner("mallory_"), "app").await.expect("each of them is named");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_that_another_role_created_first_gets_no_session() {
    block_on(async {
        let client = client().await;
        let schema = unique("first");
        open(PostgresOptions::new().with_schema(&schema), "mallory_").await.expect("creates the tables");
        let grant = format!(
            "GRANT USAGE ON SCHEMA {schema} TO app; GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO app"
        );
        client.batch_execute(&grant).await.expect("grants");
        let error = open(PostgresOptions::new().with_schema(&schema), "app").await.expect_err("is rejected");
        assert_eq!(error.kind(), OpenErrorKind::UntrustedOwner);

        // Even reading its version would execute what its owner chose.
        let trap = format!(
            "CREATE FUNCTION {schema}.trap() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$; \
             DROP TABLE {schema}.sessions_version; \
             CREATE VIEW {schema}.sessions_version AS SELECT {schema}.trap() AS version; \
             ALTER VIEW {schema}.sessions_version OWNER TO mallory_; GRANT ALL ON {schema}.sessions_version TO app"
        );
        client.batch_execute(&trap).await.expect("creates");
        let error = open(PostgresOptions::new().with_schema(&schema), "app").await.expect_err("is rejected");
        assert_eq!(error.kind(), OpenErrorKind::UntrustedOwner, "{error:?}");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_store_may_use_tables_of_the_owners_that_it_trusts() {
    block_on(async {
        let client = client().await;
        for (role, trusts_admin, reason) in [
            ("app", false, "the store's own role"),
            ("owner", false, "the owner of the database"),
            ("postgres", false, "a superuser"),
            ("admin", true, "named"),
        ] {
            let schema = created_by(role, &client).await;
            let mut options = PostgresOptions::new().with_schema(&schema).with_trusted_owner("stranger");
            if trusts_admin {
                options = options.with_trusted_owner("admin");
            }
            let store = open(options, "app").await.expect(reason);
            store.create(&row(0)).await.expect("creates");
            assert!(store.load(handle(0)).await.expect("loads").is_some(), "{reason}");
        }
        // Since PostgreSQL 15 the schema `public` belongs to a role whose only member is the owner of the database.
        client.batch_execute("GRANT CREATE ON SCHEMA public TO app").await.expect("grants");
        open(PostgresOptions::new().with_schema("public"), "app")
            .await
            .expect("the default owner of `public`");
    });
}

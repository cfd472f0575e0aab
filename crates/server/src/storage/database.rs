//! The call records in SQL, portable between SQLite and PostgreSQL: TEXT ids, BIGINT milliseconds, TEXT JSON.

use std::path::Path;

use offhook_call_control::CallRecord;
use serde::Serialize;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, ConnectOptions, Row};

/// Statements that bring a database from one version to the next; never changed once released, only added to.
const MIGRATIONS: &[&[&str]] = &[&[
    "CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        sip_call_id TEXT NOT NULL,
        caller TEXT NOT NULL,
        called TEXT NOT NULL,
        bot TEXT NOT NULL,
        started_ms BIGINT NOT NULL,
        ended_ms BIGINT,
        cause TEXT,
        outcome TEXT,
        record TEXT NOT NULL
    )",
    "CREATE INDEX calls_started ON calls (started_ms)",
]];

/// A row of the table of calls.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredCall {
    /// The record.
    pub record: CallRecord,
}

/// The database of call records.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
}

impl Database {
    /// Opens (and creates) the SQLite database at `path` and brings it to this version's schema.
    ///
    /// # Errors
    /// What the database said.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let options: AnyConnectOptions = url.parse()?;
        let options = options.disable_statement_logging();
        // One writer: SQLite has a single one anyway, and readers of the API are few.
        let pool = AnyPoolOptions::new().max_connections(2).connect_with(options).await?;
        for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"] {
            sqlx::query(pragma).execute(&pool).await?;
        }
        let database = Database { pool };
        database.migrate().await?;
        Ok(database)
    }

    async fn migrate(&self) -> Result<(), sqlx::Error> {
        sqlx::query("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM schema_version")
            .fetch_one(&self.pool)
            .await?;
        let done = usize::try_from(row.try_get::<i64, _>("version")?).unwrap_or(0);
        for (index, statements) in MIGRATIONS.iter().enumerate().skip(done) {
            let mut transaction = self.pool.begin().await?;
            for statement in *statements {
                sqlx::query(*statement).execute(&mut *transaction).await?;
            }
            sqlx::query("INSERT INTO schema_version (version) VALUES ($1)")
                .bind(index as i64 + 1)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Writes records, all or none; a record that is there already is replaced.
    ///
    /// # Errors
    /// What the database said.
    pub async fn store(&self, records: &[CallRecord]) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for record in records {
            let json = serde_json::to_string(record).map_err(|error| sqlx::Error::Encode(error.into()))?;
            sqlx::query(
                "INSERT INTO calls (id, sip_call_id, caller, called, bot, started_ms, ended_ms, cause, outcome, record)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (id) DO UPDATE SET ended_ms = excluded.ended_ms, cause = excluded.cause,
                    outcome = excluded.outcome, record = excluded.record",
            )
            .bind(&record.call_id)
            .bind(&record.sip_call_id)
            .bind(&record.caller)
            .bind(&record.called)
            .bind(&record.bot)
            .bind(record.started_unix_ms)
            .bind(record.ended_unix_ms)
            .bind(record.cause.map(|cause| cause.word().to_owned()))
            .bind(record.outcome.clone())
            .bind(json)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    }

    /// One record.
    ///
    /// # Errors
    /// What the database said.
    pub async fn call(&self, id: &str) -> Result<Option<CallRecord>, sqlx::Error> {
        let row = sqlx::query("SELECT record FROM calls WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| decode(&row)).transpose()
    }

    /// The latest records, newest first.
    ///
    /// # Errors
    /// What the database said.
    pub async fn latest(&self, limit: i64) -> Result<Vec<CallRecord>, sqlx::Error> {
        let rows = sqlx::query("SELECT record FROM calls ORDER BY started_ms DESC, id DESC LIMIT $1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(decode).collect()
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// What the database said.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(|_| ())
    }
}

fn decode(row: &sqlx::any::AnyRow) -> Result<CallRecord, sqlx::Error> {
    let json: String = row.try_get("record")?;
    serde_json::from_str(&json).map_err(|error| sqlx::Error::Decode(error.into()))
}

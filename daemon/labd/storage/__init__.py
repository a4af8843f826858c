"""The database: its schema and migrations, and all SQL. It never decides anything."""

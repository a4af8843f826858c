"""Commands that need no daemon: `labd try`, `labd check`, `labd templates check`."""

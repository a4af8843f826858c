"""What every part of labd may use: errors, logging, units, text, programs, rollback. It knows of no job."""

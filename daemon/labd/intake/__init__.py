"""From what lies in an inbox to an upload that is complete, and to its snapshot. It never makes a job."""

"""What the commands print: progress, tables and summaries, by Rich."""

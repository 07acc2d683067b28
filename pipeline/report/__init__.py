"""What a run leaves behind: result.json, trace.json.gz, a summary for people; pure functions of what was recorded."""

"""The output of a run: result.json, trace.json.gz and pages for people, as pure functions of the record."""

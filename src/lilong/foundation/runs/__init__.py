"""The intent to run something: attempts, logs, artefacts, metering; pools and agents."""

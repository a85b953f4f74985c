"""The migration of presets and records to the names of version 0.1.0."""

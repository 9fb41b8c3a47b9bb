"""Many machines: one class that any engine can call, and shards that need no engine; see docs/engines.md."""

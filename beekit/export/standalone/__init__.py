"""Files that go into an export as they are; they import nothing of beekit, and no torch."""

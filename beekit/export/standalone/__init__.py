"""Files that are copied into exports; they import neither beekit nor torch."""
